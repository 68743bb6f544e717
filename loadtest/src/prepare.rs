//! `prepare`: what the containers of a deployment find in their volumes before they start: configuration, and secrets that are
//! made once and for it alone.
//!
//! Configuration comes this way, and not by mounts of the working copy, because an image's user may not read what the clone's
//! umask or `SELinux` label keeps from it. Every secret has one original, in a volume that nobody else mounts; what the servers
//! and the services read is written from it again at each start.

use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;

use crate::deployment::{
    SERVICES, Service,
    secrets::{self, ADMIN_EMAIL},
};

/// What only this container mounts.
const ORIGINALS: &str = "secrets";
/// Readable by whoever mounts the volume: each image has a user of its own.
const SHARED: u32 = 0o444;
/// Readable by the shop's user, which is also whoever prepares.
const OWN: u32 = 0o400;

/// Where things come from and go to.
#[derive(Debug, Clone, Args)]
pub(crate) struct PrepareArgs {
    /// Directory with one directory of configuration for each volume
    #[arg(long, default_value = "/etc/windtunnel", value_name = "DIRECTORY")]
    pub(crate) from: PathBuf,
    /// Directory with the volumes
    #[arg(long, default_value = "/volumes", value_name = "DIRECTORY")]
    pub(crate) into: PathBuf,
}

/// Fills the volumes. Doing it again changes nothing that is right already.
///
/// # Errors
/// A volume that is missing or cannot be written to.
pub(crate) fn prepare(args: &PrepareArgs) -> anyhow::Result<()> {
    for volume in entries(&args.from)? {
        let name = volume.file_name().context("a volume without a name")?;
        copy(&volume, &args.into.join(name))?;
    }
    let originals = args.into.join(ORIGINALS);
    for service in SERVICES {
        for (name, text) in read_by(service, &originals)? {
            let file = args.into.join(service.name()).join(name);
            publish(&file, text.as_bytes(), OWN)?;
        }
    }
    postgres(&originals, &args.into.join("postgres"))?;
    let password = original(&originals, "rabbitmq", secrets::password)?;
    let user = format!("default_user = shop\ndefault_pass = {password}\n");
    let file = args.into.join("rabbitmq/20-user.conf");
    publish(&file, user.as_bytes(), SHARED)?;
    let password = original(&originals, "grafana", secrets::password)?;
    let file = args.into.join("grafana/admin-password");
    publish(&file, password.as_bytes(), SHARED)
}

/// What one service reads and no other does, unless it is for both: a file each.
fn read_by(service: Service, originals: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut files = Vec::new();
    if Service::WITH_DATABASE.contains(&service) {
        let password = original(originals, &format!("postgres-{service}"), secrets::password)?;
        files.push(("pgpass", format!("*:*:{service}:{service}:{password}\n")));
    }
    if service.hears_or_tells() {
        let password = original(originals, "rabbitmq", secrets::password)?;
        files.push(("broker-password", password));
    }
    let card_key = || original(originals, "card-key", || Ok(cards::generate()));
    match service {
        Service::Users => {
            let key = || Ok(users::generate_signing_key());
            files.push(("signing-key.pem", original(originals, "signing-key", key)?));
            let password = original(originals, "admin", secrets::password)?;
            files.push(("admin-email", ADMIN_EMAIL.to_owned()));
            files.push(("admin-password", password));
        }
        Service::Payments => files.push(("card-key.pem", card_key()?)),
        Service::Orders => {
            files.push(("card-key.pub.pem", cards::public_of(&card_key()?)?));
            let key = original(originals, "fingerprint-key", secrets::password)?;
            files.push(("fingerprint-key", key));
        }
        Service::Catalog
        | Service::Gateway
        | Service::Inventory
        | Service::Search
        | Service::Monolith => (),
    }
    Ok(files)
}

/// A role and a database for each service, which no other may connect to.
fn postgres(originals: &Path, volume: &Path) -> anyhow::Result<()> {
    let superuser = original(originals, "postgres", secrets::password)?;
    publish(
        &volume.join("superuser-password"),
        superuser.as_bytes(),
        SHARED,
    )?;
    let mut sql = String::new();
    for service in Service::WITH_DATABASE {
        let password = original(originals, &format!("postgres-{service}"), secrets::password)?;
        writeln!(
            sql,
            "CREATE ROLE \"{service}\" LOGIN PASSWORD '{password}';\n\
             CREATE DATABASE \"{service}\" OWNER \"{service}\";\n\
             REVOKE ALL ON DATABASE \"{service}\" FROM PUBLIC;"
        )?;
    }
    publish(&volume.join("10-databases.sql"), sql.as_bytes(), SHARED)
}

/// The secret called `name`, made if there is none.
fn original(
    directory: &Path,
    name: &str,
    make: impl FnOnce() -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    let path = directory.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make()?;
            publish(&path, text.as_bytes(), OWN)?;
            Ok(text)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Makes `to` the same as `from`, for everybody to read; programs stay programs.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.is_dir() {
        let bytes = fs::read(from).with_context(|| format!("read {}", from.display()))?;
        let program = fs::metadata(from)?.permissions().mode() & 0o100 != 0;
        return publish(to, &bytes, if program { 0o555 } else { SHARED });
    }
    if !to.is_dir() {
        fs::create_dir(to).with_context(|| format!("make {}", to.display()))?;
        fs::set_permissions(to, Permissions::from_mode(0o755))?;
    }
    for entry in entries(from)? {
        let name = entry.file_name().context("a file without a name")?;
        copy(&entry, &to.join(name))?;
    }
    Ok(())
}

fn entries(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).and_then(|it| {
        it.map(|it| it.map(|it| it.path()))
            .collect::<Result<Vec<_>, _>>()
    });
    entries.with_context(|| format!("read {}", directory.display()))
}

/// Writes a file whole or not at all. One that is right stays as it is, so that nobody is told of a change.
fn publish(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|it| it == bytes) {
        return Ok(());
    }
    let part = path.with_extension("part");
    let write = || -> io::Result<()> {
        // What a start that was cut short has left.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&part)?;
        file.write_all(bytes)?;
        // Whatever the umask took away.
        file.set_permissions(Permissions::from_mode(mode))?;
        fs::rename(&part, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Volumes, and configuration as a clone with umask 077 has it.
    fn deployment() -> (tempfile::TempDir, PrepareArgs) {
        let root = tempfile::tempdir().unwrap();
        let (from, into) = (root.path().join("from"), root.path().join("into"));
        let volumes = ["secrets", "postgres", "rabbitmq", "grafana", "config"];
        for volume in SERVICES.map(Service::name).into_iter().chain(volumes) {
            fs::create_dir_all(into.join(volume)).unwrap();
        }
        for (name, mode) in [("prometheus/prometheus.yml", 0o600), ("probe", 0o700)] {
            let path = from.join("config").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        (root, PrepareArgs { from, into })
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn configuration_can_be_read_by_everybody() {
        let (_root, args) = deployment();
        prepare(&args).unwrap();
        let config = args.into.join("config");
        assert_eq!(mode(&config.join("prometheus")), 0o755);
        assert_eq!(mode(&config.join("prometheus/prometheus.yml")), 0o444);
        assert_eq!(mode(&config.join("probe")), 0o555);
    }

    #[test]
    fn secrets_are_made_once_and_agree() {
        let (_root, args) = deployment();
        prepare(&args).unwrap();
        let read = |name: &str| fs::read_to_string(args.into.join(name)).unwrap();
        let names = [
            "orders/pgpass",
            "users/signing-key.pem",
            "postgres/10-databases.sql",
            "payments/card-key.pem",
            "orders/card-key.pub.pem",
            "orders/fingerprint-key",
        ];
        let first: Vec<_> = names.map(read).into();
        // A volume of a server that was lost alone is filled again.
        fs::remove_file(args.into.join("postgres/10-databases.sql")).unwrap();
        prepare(&args).unwrap();
        assert_eq!(first, names.map(read));
        assert_eq!(cards::public_of(&first[3]).unwrap(), first[4]);
        for service in Service::WITH_DATABASE {
            let line = read(&format!("{service}/pgpass"));
            let password = line.trim_end().rsplit(':').next().unwrap();
            assert_eq!(password.len(), 32);
            let role = format!("ROLE \"{service}\" LOGIN PASSWORD '{password}'");
            assert!(first[2].contains(&role), "{line}");
        }
        let broker = read("search/broker-password");
        assert!(read("rabbitmq/20-user.conf").contains(&format!("default_pass = {broker}\n")));
    }

    #[test]
    fn each_service_reads_its_own_and_nobody_else_does() {
        let (_root, args) = deployment();
        prepare(&args).unwrap();
        let files = |service: Service| {
            let files = entries(&args.into.join(service.name())).unwrap();
            let name = |it: PathBuf| it.file_name().unwrap().to_str().unwrap().to_owned();
            let mut names: Vec<_> = files.into_iter().map(name).collect();
            names.sort_unstable();
            names.join(" ")
        };
        for (service, own) in [
            (Service::Catalog, "broker-password pgpass"),
            (Service::Gateway, ""),
            (Service::Inventory, "broker-password pgpass"),
            (
                Service::Orders,
                "broker-password card-key.pub.pem fingerprint-key pgpass",
            ),
            (Service::Payments, "broker-password card-key.pem pgpass"),
            (Service::Search, "broker-password"),
            (
                Service::Users,
                "admin-email admin-password pgpass signing-key.pem",
            ),
        ] {
            assert_eq!(files(service), own, "{service}");
        }
        for volume in SERVICES.map(Service::name).into_iter().chain(["secrets"]) {
            for path in entries(&args.into.join(volume)).unwrap() {
                assert_eq!(mode(&path), 0o400, "{}", path.display());
            }
        }
    }

    #[test]
    fn a_volume_that_is_missing_is_named() {
        let (_root, args) = deployment();
        fs::remove_dir(args.into.join("rabbitmq")).unwrap();
        let error = format!("{:#}", prepare(&args).unwrap_err());
        assert!(error.contains("rabbitmq/20-user.conf"), "{error}");
    }
}
