//! Programs that somebody installed.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// What each program may be called; Debian renames Alertmanager.
const NAMES: [(&str, &[&str]); 3] = [
    ("prometheus", &["prometheus"]),
    ("alertmanager", &["alertmanager", "prometheus-alertmanager"]),
    ("promtool", &["promtool"]),
];

/// Where `program` is.
///
/// # Errors
/// It is not on the `PATH`; says how to get it.
pub(crate) fn find(program: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    in_folders(program, &folders).with_context(|| {
        format!(
            "{program} is not on the PATH: on Debian, apt-get install --no-install-recommends prometheus prometheus-alertmanager \
             (the services that this starts are not needed: systemctl disable --now prometheus prometheus-alertmanager); \
             elsewhere, from https://prometheus.io/download/"
        )
    })
}

fn in_folders(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let names = NAMES.iter().find(|it| it.0 == program)?.1;
    let places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |it| it.join(name)));
    places.into_iter().find(|it| can_be_run(it))
}

fn can_be_run(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_program_is_found_by_any_of_its_names_if_it_can_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("nowhere"), folder.path().to_owned()];
        let debian = folder.path().join("prometheus-alertmanager");
        fs::write(&debian, "").unwrap();
        fs::set_permissions(&debian, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(in_folders("alertmanager", &folders), None);
        fs::set_permissions(&debian, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(in_folders("alertmanager", &folders), Some(debian));
        assert_eq!(in_folders("prometheus", &folders), None);
    }
}
