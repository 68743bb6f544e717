//! What the index has of typed words.

use sqlx::SqliteConnection;

use crate::{
    text::reading::{Alternatives, Known, MAX_COMPLETIONS, Need, Reading},
    text::spelling::{self, Neighbourhood},
};

/// What to look for, in FTS5's language: products need all `words`, or, if no product has all, any. None if no product has
/// any.
pub(super) async fn read(
    words: &[String],
    index: &mut SqliteConnection,
) -> Result<Option<(String, Reading)>, sqlx::Error> {
    let mut looked_up = Vec::with_capacity(words.len());
    for (position, word) in words.iter().enumerate() {
        let last = position + 1 == words.len();
        looked_up.push((word.clone(), look_up(word, last, index).await?));
    }
    let reading = Reading::of(looked_up);
    if reading.terms.is_empty() {
        return Ok(None);
    }
    let mut wanted = expression(&reading.terms, reading.need());
    if reading.need() == Need::All && !matches(&wanted, index).await? {
        wanted = expression(&reading.terms, Need::Any);
    }
    Ok(Some((wanted, reading)))
}

/// Each word in quotes, where nothing is an operator.
fn expression(terms: &[Alternatives], need: Need) -> String {
    let joint = match need {
        Need::All => " AND ",
        Need::Any => " OR ",
    };
    let quoted = |it: &String| format!("\"{it}\"");
    let term = |it: &Alternatives| {
        let words: Vec<_> = it.iter().map(quoted).collect();
        format!("({})", words.join(" OR "))
    };
    terms.iter().map(term).collect::<Vec<_>>().join(joint)
}

async fn look_up(
    word: &str,
    last: bool,
    index: &mut SqliteConnection,
) -> Result<Known, sqlx::Error> {
    let mut known = Known {
        found: matches(&format!("\"{word}\""), index).await?,
        ..Known::default()
    };
    if last && !matches(&format!("{{name category}} : \"{word}\""), index).await? {
        known.completions = completions(word, index).await?;
    }
    if !known.found && known.completions.is_empty() {
        known.meant = meant(word, index).await?;
    }
    Ok(known)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_grouped() {
        let terms = [vec!["and".to_owned()], vec!["pen".into(), "pens".into()]];
        let all = expression(&terms, Need::All);
        assert_eq!(all, r#"("and") AND ("pen" OR "pens")"#);
        let any = expression(&terms, Need::Any);
        assert_eq!(any, r#"("and") OR ("pen" OR "pens")"#);
    }
}
