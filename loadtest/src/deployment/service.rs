//! The services of the shop and the flags each is started with.

use std::{fmt, path::Path};

use super::secrets;

/// Every service, in the order of the discovery file.
pub const SERVICES: [Service; 7] = [
    Service::Catalog,
    Service::Gateway,
    Service::Inventory,
    Service::Orders,
    Service::Payments,
    Service::Search,
    Service::Users,
];

/// A service of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Products.
    Catalog,
    /// The only public door.
    Gateway,
    /// Stock.
    Inventory,
    /// Orders.
    Orders,
    /// Money.
    Payments,
    /// Full text.
    Search,
    /// Accounts.
    Users,
    /// All of them in one process, which takes their place.
    Monolith,
}

impl Service {
    /// Its name in metrics, logs, spans and the discovery file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Gateway => "gateway",
            Self::Inventory => "inventory",
            Self::Orders => "orders",
            Self::Payments => "payments",
            Self::Search => "search",
            Self::Users => "users",
            Self::Monolith => "monolith",
        }
    }

    /// Whether clients outside the shop talk to it.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Gateway | Self::Monolith)
    }

    /// The services that its process serves.
    pub(crate) fn parts(self) -> Vec<Self> {
        match self {
            Self::Monolith => SERVICES.to_vec(),
            one => vec![one],
        }
    }

    /// The flags of one replica, beside those that all services get and what `Servers::environment` says.
    pub(super) fn flags(self, dir: &Path, discovery: &str, gateway_port: u16) -> Vec<String> {
        let at = |service: Self| format!("--{service}-addr={discovery}");
        let file = |what: &str, path: &Path| format!("--{what}-file={}", path.display());
        match self {
            Self::Catalog => vec![at(Self::Users)],
            Self::Gateway => {
                let behind = SERVICES.into_iter().filter(|it| it.is_routed_to()).map(at);
                let mut flags: Vec<_> = behind.collect();
                flags.push(format!("--listen=127.0.0.1:{gateway_port}"));
                // Every arrival of a load test is a shopper with an address of its own.
                flags.push("--trust-forwarded-for".into());
                flags
            }
            Self::Inventory | Self::Monolith => Vec::new(),
            Self::Payments => vec![file("card-key", &secrets::card_key(dir))],
            Self::Search => vec![at(Self::Catalog)],
            Self::Orders => vec![
                at(Self::Users),
                at(Self::Catalog),
                file("card-key", &secrets::public_card_key(dir)),
                file("fingerprint-key", &secrets::fingerprint_key(dir)),
            ],
            Self::Users => vec![
                file("signing-key", &secrets::signing_key(dir)),
                format!("--admin-email={}", secrets::ADMIN_EMAIL),
                file("admin-password", &secrets::admin_password(dir)),
            ],
        }
    }

    /// The variables that would say what its flags say already, and so would change nothing.
    pub(crate) fn decided(self) -> impl Iterator<Item = String> {
        let variable = |flag: String| {
            let name = flag.trim_start_matches('-').split('=').next();
            name.unwrap_or_default().replace('-', "_").to_uppercase()
        };
        self.flags(Path::new(""), "", 0).into_iter().map(variable)
    }

    /// Those that keep their data in a database of their own. Search has an index instead.
    pub(crate) const WITH_DATABASE: [Self; 5] = [
        Self::Catalog,
        Self::Inventory,
        Self::Orders,
        Self::Payments,
        Self::Users,
    ];

    /// Whether it has to do with events.
    pub(crate) fn hears_or_tells(self) -> bool {
        !matches!(self, Self::Gateway | Self::Users | Self::Monolith)
    }

    /// Whether the gateway calls it.
    fn is_routed_to(self) -> bool {
        !matches!(self, Self::Gateway | Self::Payments)
    }
}

/// The address of whoever is in the file `discovery`, with these parameters, if any.
pub(super) fn file_address(discovery: &Path, parameters: &str) -> String {
    let separator = if parameters.is_empty() { "" } else { "?" };
    format!("file:{}{separator}{parameters}", discovery.display())
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
