//! What an experiment is carried out under.

use std::path::Path;

use crate::{
    args::RunArgs,
    interrupted::Interrupt,
    observe::{Clients, Stack},
    progress::Progress,
    run_dir::RunDir,
    target::Target,
};

/// All that is needed to carry experiments out.
#[derive(Clone, Copy)]
pub(crate) struct Conditions<'a> {
    pub(crate) run_dir: &'a RunDir,
    pub(crate) args: &'a RunArgs,
    pub(crate) seed: u64,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a Interrupt,
    /// Prometheus and Alertmanager, if they are wanted.
    pub(crate) stack: Option<&'a Stack>,
    /// Who is told what clients see and what goes on, if anybody asks.
    pub(crate) clients: Option<&'a Clients>,
    /// Whose replicas are replaced, if they are of another build than ours.
    pub(crate) from: Option<&'a Path>,
    /// What is loaded instead of shops of our own.
    pub(crate) target: Option<&'a Target>,
}
