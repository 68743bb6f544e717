//! Where the index lives, and how it is searched.

use anyhow::Context as _;
use api::{CategoryCount, Hit, SearchQuery, SearchResults};
use chassis::{Error, SqliteDatabase};
use sqlx::{FromRow, QueryBuilder, Sqlite, SqliteConnection, migrate::Migrator};

use crate::{
    SearchUrl,
    cursor::Position,
    index,
    query::{BadQuery, Query, Text},
    reading::Reading,
};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A handle to the index; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store(SqliteDatabase);

/// A product that matches, as the database holds it.
#[derive(FromRow)]
struct Row {
    id: String,
    version: i64,
    name: String,
    category: String,
    price_cents: i64,
    score: f64,
}

impl Row {
    /// The hit and where it stands among the others.
    fn into_hit(self) -> Result<(Hit, Position), Error> {
        let id = self.id.parse().context("read a product id");
        let id: api::ProductId = id.map_err(Error::Internal)?;
        let position = Position {
            score: self.score,
            id: id.clone(),
        };
        let hit = Hit {
            id,
            version: self.version,
            name: self.name,
            category: self.category,
            price_cents: self.price_cents,
        };
        Ok((hit, position))
    }
}

impl Store {
    /// Opens the index and, if it is empty, fills it with the seed.
    pub async fn open(url: &SearchUrl, seed: u32) -> anyhow::Result<Self> {
        let SearchUrl::Sqlite(path) = url;
        let store = Self(SqliteDatabase::open(path, &MIGRATIONS).await?);
        store.seed(seed).await.context("index the seed")?;
        Ok(store)
    }

    pub(crate) fn database(&self) -> &SqliteDatabase {
        &self.0
    }

    async fn seed(&self, count: u32) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
        let filled: i64 = sqlx::query_scalar("SELECT count(*) FROM products")
            .fetch_one(&mut *transaction)
            .await?;
        if filled == 0 {
            index::put(&mut transaction, api::seed(count)).await?;
        }
        transaction.commit().await
    }

    /// A page of what is `asked` for, with what is to be said of all pages.
    pub async fn search(&self, asked: SearchQuery) -> Result<SearchResults, Error> {
        let query = asked
            .try_into()
            .map_err(|it: BadQuery| Error::Invalid(it.to_string()))?;
        telemetry::db("sqlite", "SELECT", "products", self.find(&query)).await
    }

    async fn find(&self, query: &Query) -> Result<SearchResults, Error> {
        // Words, counts and hits are of one state of the index.
        let mut snapshot = self.0.readers().begin().await?;
        let (expression, corrections) = match &query.text {
            Text::Blank => (None, Vec::new()),
            Text::Words(words) => match Reading::of(words, &mut snapshot).await? {
                Some(reading) => (Some(reading.expression), reading.corrections),
                None => return Ok(nothing()),
            },
        };
        let expression = expression.as_deref();
        let categories = categories(query, expression, &mut snapshot).await?;
        let rows = hits(query, expression, &mut snapshot).await?;
        let more = rows.len() > query.limit as usize;
        let (hits, positions): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .take(query.limit as usize)
            .map(Row::into_hit)
            .collect::<Result<_, _>>()?;
        let wanted =
            |it: &&CategoryCount| query.category.as_ref().is_none_or(|c| *c == it.category);
        Ok(SearchResults {
            total: categories.iter().filter(wanted).map(|it| it.count).sum(),
            hits,
            categories,
            corrections,
            next_cursor: positions
                .last()
                .filter(|_| more)
                .map(|it| it.encode(query.fingerprint)),
        })
    }
}

fn nothing() -> SearchResults {
    SearchResults {
        total: 0,
        hits: Vec::new(),
        categories: Vec::new(),
        corrections: Vec::new(),
        next_cursor: None,
    }
}

/// How many products match in which category, whichever category is wanted.
async fn categories(
    query: &Query,
    expression: Option<&str>,
    index: &mut SqliteConnection,
) -> Result<Vec<CategoryCount>, sqlx::Error> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT products.category, count(*) AS found");
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
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM (SELECT products.*, ");
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
fn push_matches(sql: &mut QueryBuilder<Sqlite>, query: &Query, expression: Option<&str>) {
    match expression {
        Some(expression) => sql
            .push(" FROM texts JOIN products ON number = texts.rowid WHERE texts MATCH ")
            .push_bind(expression)
            .push(" AND"),
        None => sql.push(" FROM products WHERE"),
    };
    sql.push(" price_cents BETWEEN ")
        .push_bind(query.min_price)
        .push(" AND ")
        .push_bind(query.max_price);
}
