//! What a deployment needs of this machine before it starts.

use std::{
    fs::{self, DirBuilder},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use anyhow::Context as _;

/// The places for logs and data. Nobody else may read the data: e-mail addresses, card numbers and the signing key are in it.
pub(super) fn make(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir.join("logs"))?;
    let data = dir.join("data");
    match DirBuilder::new().mode(0o700).create(data) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Whether the gateway can be where it is looked for.
pub(super) fn check_port(port: u16) -> anyhow::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .with_context(|| {
            format!("port {port} on 127.0.0.1 is taken: stop the process that uses it or choose another with --port")
        })
}
