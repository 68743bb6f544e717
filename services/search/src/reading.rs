//! How typed words are read: as they are, as the beginning of others, or as what was meant.

use api::Correction;
use sqlx::SqliteConnection;

use crate::{
    query::{self, Alternatives, Need},
    spelling::{self, Neighbourhood},
};

/// A beginning stands for this many of the most frequent words that have it.
const MAX_COMPLETIONS: i64 = 20;

/// What to look for, in FTS5's language, and how that differs from what was typed.
pub(crate) struct Reading {
    pub(crate) expression: String,
    pub(crate) corrections: Vec<Correction>,
}

impl Reading {
    /// Reads `words` with the index at hand. A product needs all of them, or, if no product has all, any; none is found if no
    /// product has any.
    pub(crate) async fn of(
        words: &[String],
        index: &mut SqliteConnection,
    ) -> Result<Option<Self>, sqlx::Error> {
        let (mut terms, mut corrections) = (Vec::new(), Vec::new());
        for (position, word) in words.iter().enumerate() {
            let last = position + 1 == words.len();
            let mut term = alternatives(word, last, index).await?;
            if term.is_empty()
                && let Some(read) = meant(word, index).await?
            {
                let typed = word.clone();
                corrections.push(Correction {
                    typed,
                    read: read.clone(),
                });
                term.push(read);
            }
            terms.push(term);
        }
        let complete = terms.iter().all(|it| !it.is_empty());
        terms.retain(|it| !it.is_empty());
        if terms.is_empty() {
            return Ok(None);
        }
        let mut expression = query::expression(&terms, Need::All);
        if !complete || !matches(&expression, index).await? {
            expression = query::expression(&terms, Need::Any);
        }
        Ok(Some(Self {
            expression,
            corrections,
        }))
    }
}

/// The words of the index that `word` may stand for without a correction; none if nothing has it.
///
/// The last word may not be typed to its end. It is taken for a beginning unless products are called so: who types "pen"
/// wants pens and no pendant lights.
async fn alternatives(
    word: &str,
    last: bool,
    index: &mut SqliteConnection,
) -> Result<Alternatives, sqlx::Error> {
    let mut found = Vec::new();
    if matches(&format!("\"{word}\""), index).await? {
        found.push(word.to_owned());
    }
    if last && !matches(&format!("{{name category}} : \"{word}\""), index).await? {
        found.extend(completions(word, index).await?);
    }
    Ok(found)
}

async fn matches(expression: &str, index: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM texts WHERE texts MATCH $1)")
        .bind(expression)
        .fetch_one(index)
        .await
}

async fn completions(word: &str, index: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT word FROM words WHERE word > $1 AND word < $2 ORDER BY products DESC, word LIMIT $3",
    )
    .bind(word)
    .bind(after_all(word))
    .bind(MAX_COMPLETIONS)
    .fetch_all(index)
    .await
}

/// What was meant by a word that nothing has.
async fn meant(word: &str, index: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    for singular in spelling::singulars(word).into_iter().flatten() {
        if matches(&format!("\"{singular}\""), index).await? {
            return Ok(Some(singular));
        }
    }
    let Some(near) = Neighbourhood::of(word) else {
        return Ok(None);
    };
    let words = sqlx::query_as(
        "SELECT word, products FROM words WHERE word >= $1 AND word < $2 AND length(word) BETWEEN $5 AND $6
         UNION ALL
         SELECT word, products FROM words WHERE reversed >= $3 AND reversed < $4 AND length(word) BETWEEN $5 AND $6",
    )
    .bind(&near.start)
    .bind(after_all(&near.start))
    .bind(&near.end)
    .bind(after_all(&near.end))
    .bind(i64::try_from(near.shortest).unwrap_or(i64::MAX))
    .bind(i64::try_from(near.longest).unwrap_or(i64::MAX))
    .fetch_all(index)
    .await?;
    Ok(spelling::nearest(word, words))
}

/// A text that sorts after all that begin with `start`.
fn after_all(start: &str) -> String {
    format!("{start}{}", char::MAX)
}
