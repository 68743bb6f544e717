//! What the command line and the environment decide: for each part what the service of its name is told.

use std::{collections::BTreeMap, ffi::OsString};

use anyhow::Context as _;
use clap::Parser;

/// The parts.
pub const PARTS: [&str; 7] = [
    "catalog",
    "gateway",
    "inventory",
    "orders",
    "payments",
    "search",
    "users",
];

/// What each part is told. Listeners, drain and faults of the process are the gateway's, and addresses of services say how calls are
/// protected, and not where to.
#[derive(Debug, Clone)]
pub struct Config {
    /// The products.
    pub catalog: catalog::Config,
    /// The door, and the process.
    pub gateway: gateway::Config,
    /// The stock.
    pub inventory: inventory::Config,
    /// The orders.
    pub orders: orders::Config,
    /// The money.
    pub payments: payments::Config,
    /// The index.
    pub search: search::Config,
    /// The accounts.
    pub users: users::Config,
}

impl Config {
    /// Reads `PART FLAG… PART FLAG…`: the flags of a part, as its service's `--help` lists them, follow its name. A value that is
    /// the name of a part is written `--flag=value`. What differs between parts is said so; a variable of the environment is
    /// heard by all.
    ///
    /// # Errors
    /// Flags that follow no part's name, or that its service does not know or misses.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let mut flags = split(arguments)?;
        Ok(Self {
            catalog: part(&mut flags, "catalog")?,
            gateway: part(&mut flags, "gateway")?,
            inventory: part(&mut flags, "inventory")?,
            orders: part(&mut flags, "orders")?,
            payments: part(&mut flags, "payments")?,
            search: part(&mut flags, "search")?,
            users: part(&mut flags, "users")?,
        })
    }
}

type Flags = BTreeMap<&'static str, Vec<OsString>>;

fn split(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Flags> {
    let mut flags = Flags::new();
    let mut current: Option<&mut Vec<OsString>> = None;
    for argument in arguments {
        let named = PARTS.into_iter().find(|it| argument == *it);
        if let Some(name) = named {
            current = Some(flags.entry(name).or_default());
        } else if let Some(of_part) = &mut current {
            of_part.push(argument);
        } else {
            let parts = PARTS.join(", ");
            anyhow::bail!(
                "{} follows the name of no part: expected PART FLAG… PART FLAG…, where the parts are {parts}",
                argument.display()
            );
        }
    }
    Ok(flags)
}

fn part<C: Parser>(flags: &mut Flags, name: &'static str) -> anyhow::Result<C> {
    let own = flags.remove(name).unwrap_or_default();
    let arguments = std::iter::once(OsString::from(name)).chain(own);
    C::try_parse_from(arguments).with_context(|| format!("read the flags of {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Config> {
        Config::read(text.split(' ').map(OsString::from))
    }

    #[test]
    fn flags_are_those_of_the_part_whose_name_they_follow() {
        let needed = "orders --card-key-file=public --fingerprint-key-file=f payments --card-key-file=secret users --signing-key-file=s";
        let config = read(needed).unwrap();
        let files = [config.orders.card_key_file, config.payments.card_key_file];
        assert_eq!(
            files.map(|it| it.display().to_string()),
            ["public", "secret"]
        );
        let config = read(&format!("{needed} users --token-ttl=1h")).unwrap();
        assert_eq!(
            config.users.token_ttl.as_secs(),
            3600,
            "a part may be named again"
        );
        let wrong = read(&format!("--faults=on {needed}")).unwrap_err();
        assert!(wrong.to_string().contains("--faults=on"), "{wrong}");
        let wrong = format!("{:#}", read("gateway").unwrap_err());
        assert!(wrong.contains("flags of orders"), "{wrong}");
    }
}
