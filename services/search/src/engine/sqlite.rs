//! The index as FTS5 in a file, which replicas share.

mod index;
mod reading;

use std::path::Path;

use anyhow::Context as _;
use api::{CategoryCount, Cents, Hit, Product, ProductId};
use chassis::Error;
use database::{SqliteDatabase, failed, reason};
use messaging::{Event, Messaging};
use sqlx::{FromRow, QueryBuilder, SqliteConnection, migrate::Migrator};
use telemetry::DbFailure;

use crate::{
    store::Found,
    text::cursor::Position,
    text::query::{Query, Text},
};
use index::Replace;

/// What `db.system.name` calls it.
const SYSTEM: &str = "sqlite";

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A handle to the index; cloning shares it.
#[derive(Debug, Clone)]
pub struct Sqlite(SqliteDatabase);

/// A product that matches, as the database holds it.
#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    id: ProductId,
    version: i64,
    name: String,
    category: String,
    #[sqlx(try_from = "i64")]
    price_cents: Cents,
    score: f64,
}

impl Row {
    /// The hit and where it stands among the others.
    fn into_hit(self) -> (Hit, Position) {
        let position = Position {
            score: self.score,
            id: self.id.clone(),
        };
        let hit = Hit {
            id: self.id,
            version: self.version,
            name: self.name,
            category: self.category,
            price_cents: self.price_cents,
        };
        (hit, position)
    }
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, seed: u32) -> anyhow::Result<Self> {
        let index = Self(SqliteDatabase::open(path, &MIGRATIONS).await?);
        index.renew().await.context("renew the index")?;
        index.seed(seed).await.context("index the seed")?;
        Ok(index)
    }

    pub(crate) fn database(&self) -> &SqliteDatabase {
        &self.0
    }

    pub(crate) async fn version(&self) -> Result<String, Error> {
        let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(self.0.readers());
        version.await.map_err(failed)
    }

    /// Sees to it that the words in the index are such as we look for.
    async fn renew(&self) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
        let products = index::renew(&mut transaction).await.map_err(failed)?;
        transaction.commit().await?;
        if products > 0 {
            tracing::info!(products, "index of an earlier release renewed");
        }
        Ok(())
    }

    async fn seed(&self, count: u32) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
        let filled: i64 = sqlx::query_scalar("SELECT count(*) FROM products")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        if filled == 0 {
            index::put(&mut transaction, api::seed(count), Replace::Older)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await
    }

    /// Makes the index say what `event` says of `product`, once; says whether that is news. It may come late: a product never
    /// goes back to an older version.
    pub(crate) async fn change(
        &self,
        messaging: &Messaging,
        event: &Event,
        product: &Product,
    ) -> Result<bool, Error> {
        let mut transaction = self.0.write().await?;
        if !messaging.is_new(&mut transaction, event).await? {
            return Ok(false);
        }
        let put = index::put(&mut transaction, [product], Replace::Older);
        let changed = telemetry::db(SYSTEM, "UPDATE", "products", reason, put)
            .await
            .map_err(failed)?;
        transaction.commit().await?;
        Ok(changed > 0)
    }

    /// Writes `products` anew unless newer versions are there, in one commit: whoever searches meanwhile finds them as they
    /// were or as they are then.
    pub(crate) async fn put_again(&self, products: &[Product]) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
        let put = index::put(&mut transaction, products, Replace::OlderOrSame);
        telemetry::db(SYSTEM, "UPDATE", "products", reason, put)
            .await
            .map_err(failed)?;
        transaction.commit().await
    }

    pub(crate) async fn search(&self, query: &Query) -> Result<Found, Error> {
        let reason = |error: &Error| {
            DbFailure::Reason(match error {
                Error::Unavailable(_) => "unavailable",
                _ => "_OTHER",
            })
        };
        telemetry::db(SYSTEM, "SELECT", "products", reason, self.find(query)).await
    }

    async fn find(&self, query: &Query) -> Result<Found, Error> {
        // Words, counts and hits are of one state of the index.
        let mut snapshot = self.0.readers().begin().await.map_err(failed)?;
        let (expression, corrections) = match &query.text {
            Text::Blank => (None, Vec::new()),
            Text::Words(words) => {
                match reading::read(words, &mut snapshot).await.map_err(failed)? {
                    Some((expression, reading)) => (Some(expression), reading.corrections),
                    None => return Ok(Found::default()),
                }
            }
        };
        let expression = expression.as_deref();
        let categories = categories(query, expression, &mut snapshot)
            .await
            .map_err(failed)?;
        let rows = hits(query, expression, &mut snapshot)
            .await
            .map_err(failed)?;
        let wanted =
            |it: &&CategoryCount| query.category.as_ref().is_none_or(|c| *c == it.category);
        Ok(Found {
            total: categories.iter().filter(wanted).map(|it| it.count).sum(),
            hits: rows.into_iter().map(Row::into_hit).collect(),
            categories,
            corrections,
        })
    }
}

/// How many products match in which category, whichever category is wanted.
async fn categories(
    query: &Query,
    expression: Option<&str>,
    index: &mut SqliteConnection,
) -> Result<Vec<CategoryCount>, sqlx::Error> {
    let mut sql = QueryBuilder::<sqlx::Sqlite>::new("SELECT products.category, count(*) AS found");
    push_matches(&mut sql, query, expression);
    sql.push(" GROUP BY 1 ORDER BY found DESC, 1");
    let rows: Vec<(String, i64)> = sql.build_query_as().fetch_all(index).await?;
    let count = |(category, products): (String, i64)| CategoryCount {
        category,
        count: products.unsigned_abs(),
    };
    Ok(rows.into_iter().map(count).collect())
}

/// The best matches after those of the page before. One more than asked for tells whether there is a next page.
async fn hits(
    query: &Query,
    expression: Option<&str>,
    index: &mut SqliteConnection,
) -> Result<Vec<Row>, sqlx::Error> {
    let score = match expression {
        // A word of the name weighs most, one of the description least.
        Some(_) => "bm25(texts, 10, 4, 1)",
        None => "0.0",
    };
    let mut sql = QueryBuilder::<sqlx::Sqlite>::new(
        "SELECT id, version, name, category, price_cents, score FROM
             (SELECT id, version, products.name, products.category, price_cents, ",
    );
    sql.push(score).push(" AS score");
    push_matches(&mut sql, query, expression);
    if let Some(category) = &query.category {
        sql.push(" AND products.category = ").push_bind(category);
    }
    sql.push(")");
    if let Some(after) = &query.after {
        sql.push(" WHERE (score, id) > (")
            .push_bind(after.score)
            .push(", ")
            .push_bind(after.id.as_str())
            .push(")");
    }
    sql.push(" ORDER BY score, id LIMIT ")
        .push_bind(i64::from(query.limit) + 1);
    sql.build_query_as().fetch_all(index).await
}

/// The products that match, in all categories.
fn push_matches(sql: &mut QueryBuilder<sqlx::Sqlite>, query: &Query, expression: Option<&str>) {
    match expression {
        Some(expression) => sql
            .push(" FROM texts JOIN products ON number = texts.rowid WHERE texts MATCH ")
            .push_bind(expression)
            .push(" AND"),
        None => sql.push(" FROM products WHERE"),
    };
    sql.push(" price_cents BETWEEN ")
        .push_bind(query.min_price.0)
        .push(" AND ")
        .push_bind(query.max_price.0);
}
