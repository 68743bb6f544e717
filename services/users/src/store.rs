//! Where accounts are kept, and what is read of them.

use api::{Role, User, UserId, email_key};
use chassis::{Error, Host};
use database::{Database, Migrations, query};
use sqlx::FromRow;

use crate::{Config, account::check_email};

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the accounts; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) database: Database,
}

/// Reads [`Account`]s, of which the text says which.
macro_rules! select {
    ($which:literal) => {
        concat!("SELECT id, email, password_hash, role FROM users ", $which)
    };
}

/// An account as the database holds it. It has no `Debug`, so that it cannot end up in a log.
#[derive(FromRow)]
pub(crate) struct Account {
    #[sqlx(try_from = "String")]
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    role: String,
}

impl Account {
    pub(crate) fn role(&self) -> Role {
        // The table holds no third one.
        if self.role == ADMIN {
            Role::Admin
        } else {
            Role::Shopper
        }
    }
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        Self {
            role: account.role(),
            id: account.id,
            email: account.email,
        }
    }
}

/// Roles as the database holds them.
pub(crate) const SHOPPER: &str = "shopper";
pub(crate) const ADMIN: &str = "admin";

impl Store {
    /// Opens the store.
    pub(crate) async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let database = Database::open(&config.database, &MIGRATIONS).await?;
        database.watch(host);
        Ok(Self { database })
    }

    /// The account of an address. What nobody can register has none, and is not asked for: a database may not even take it.
    pub(crate) async fn by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        if check_email(email).is_err() {
            return Ok(None);
        }
        query(select!("WHERE email_key = $1"))
            .bind(email_key(email))
            .fetch_optional(self.database.readers())
            .await
    }

    /// The account of an id.
    pub(crate) async fn by_id(&self, id: &UserId) -> Result<Option<Account>, Error> {
        query(select!("WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(self.database.readers())
            .await
    }

    /// The admin, if there is one.
    pub(crate) async fn admin(&self) -> Result<Option<Account>, Error> {
        query(select!("WHERE role = $1 ORDER BY id LIMIT 1"))
            .bind(ADMIN)
            .fetch_optional(self.database.readers())
            .await
    }
}
