//! Where accounts are kept.

use anyhow::Context as _;
use api::{Role, User, UserId};
use chassis::{Error, new_id};
use database::{Database, Migrations, query};
use sqlx::FromRow;

use crate::account::email_key;

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the accounts; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store(Database);

/// An account as the database holds it. It has no `Debug`, so that it cannot end up in a log.
#[derive(FromRow)]
pub(crate) struct Account {
    #[sqlx(try_from = "String")]
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    role: String,
}

/// What `RETURNING id` says.
#[derive(FromRow)]
struct Named {
    #[sqlx(try_from = "String")]
    id: UserId,
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

const SHOPPER: &str = "shopper";
const ADMIN: &str = "admin";

impl Store {
    /// Opens the store.
    pub async fn open(url: &database::Url, options: &database::Options) -> anyhow::Result<Self> {
        let database = Database::open(url, options, &MIGRATIONS).await?;
        Ok(Self(database))
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0
    }

    /// Adds a shopper's account and returns its id; none, at the same cost, where the address has one.
    pub(crate) async fn register(
        &self,
        email: &str,
        password_hash: &str,
    ) -> Result<Option<UserId>, Error> {
        let mut transaction = self.0.write().await?;
        let inserted: Option<Named> = query(
            "INSERT INTO users (id, email, email_key, password_hash, role) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (email_key) DO NOTHING RETURNING id",
        )
        .bind(new_id("u"))
        .bind(email)
        .bind(email_key(email))
        .bind(password_hash)
        .bind(SHOPPER)
        .observed("INSERT", "users")
        .fetch_optional(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(inserted.map(|it| it.id))
    }

    /// Makes the account of `email`, old or new, the admin's and returns its id.
    pub(crate) async fn put_admin(
        &self,
        email: &str,
        password_hash: &str,
    ) -> Result<UserId, Error> {
        let mut transaction = self.0.write().await?;
        let named: Option<Named> = query(
            "INSERT INTO users (id, email, email_key, password_hash, role) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (email_key) DO UPDATE SET password_hash = excluded.password_hash, role = excluded.role
             RETURNING id",
        )
        .bind(new_id("u"))
        .bind(email)
        .bind(email_key(email))
        .bind(password_hash)
        .bind(ADMIN)
        .observed("INSERT", "users")
        .fetch_optional(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(named.context("an account that was put has an id")?.id)
    }

    /// The account of an address.
    pub(crate) async fn by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        query("SELECT * FROM users WHERE email_key = $1")
            .bind(email_key(email))
            .observed("SELECT", "users")
            .fetch_optional(self.0.readers())
            .await
    }

    /// The account of an id.
    pub(crate) async fn by_id(&self, id: &str) -> Result<Option<Account>, Error> {
        query("SELECT * FROM users WHERE id = $1")
            .bind(id)
            .observed("SELECT", "users")
            .fetch_optional(self.0.readers())
            .await
    }

    /// The admin, if there is one.
    pub(crate) async fn admin(&self) -> Result<Option<Account>, Error> {
        query("SELECT * FROM users WHERE role = $1 ORDER BY id LIMIT 1")
            .bind(ADMIN)
            .observed("SELECT", "users")
            .fetch_optional(self.0.readers())
            .await
    }
}
