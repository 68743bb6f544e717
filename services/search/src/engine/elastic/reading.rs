//! What the index has of typed words.

use serde_json::{Value, json};

use super::{
    Elastic,
    answer::Failure,
    finding::{Answer, exists, has},
    schema::{NAMES, TEXTS},
};
use crate::{
    text::reading::{Known, MAX_COMPLETIONS, Reading},
    text::spelling::{nearest, singulars, tolerance},
};

/// How many words near a mistyped one are looked at.
const MAX_NEAR: u8 = 100;

impl Elastic {
    /// Reads `words` with what the index has of them. Most searches ask once; only for what is unknown, or perhaps not typed to
    /// its end, once more.
    pub(super) async fn read(&self, words: &[String]) -> Result<Reading, Failure> {
        let Some(last) = words.last() else {
            return Ok(Reading::default());
        };
        let mut searches: Vec<_> = words.iter().map(|it| exists(&has(it, &TEXTS))).collect();
        searches.push(exists(&has(last, &NAMES)));
        let answers = self.ask_all(searches).await?;
        let called_so = answers.last().is_some_and(Answer::found);
        let mut known: Vec<_> = answers
            .iter()
            .take(words.len())
            .map(|it| Known {
                found: it.found(),
                ..Known::default()
            })
            .collect();
        if !called_so || known.iter().any(|it| !it.found) {
            self.look_closer(words, called_so, &mut known).await?;
        }
        Ok(Reading::of(words.iter().cloned().zip(known)))
    }

    /// Completes the last word unless products are `called_so`, and looks for what was meant by words that nothing has.
    async fn look_closer(
        &self,
        words: &[String],
        called_so: bool,
        known: &mut [Known],
    ) -> Result<(), Failure> {
        let unknown: Vec<_> = (0..words.len()).filter(|&it| !known[it].found).collect();
        let mut searches = Vec::new();
        if let (false, Some(last)) = (called_so, words.last()) {
            searches.push(completions(last));
        }
        for &position in &unknown {
            let word = &words[position];
            searches.push(neighbours(word));
            let singulars = singulars(word).into_iter().flatten();
            searches.extend(singulars.map(|it| exists(&has(&it, &TEXTS))));
        }
        let mut answers = self.ask_all(searches).await?.into_iter();
        if !called_so && let (Some(answer), Some(last)) = (answers.next(), known.last_mut()) {
            last.completions = answer.terms().map(|(word, _)| word).collect();
        }
        for &position in &unknown {
            let word = &words[position];
            let near = answers.next().unwrap_or_default();
            let mut meant = None;
            for singular in singulars(word).into_iter().flatten() {
                let found = answers.next().is_some_and(|it| it.found());
                meant = meant.or(found.then_some(singular));
            }
            if meant.is_none() {
                meant = nearest(word, self.count(suggested(near)).await?);
            }
            known[position].meant = meant;
        }
        Ok(())
    }

    /// How many products have each of `words`. The server suggests words, too, that only products had which are changed since.
    async fn count(&self, words: Vec<String>) -> Result<Vec<(String, i64)>, Failure> {
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let search = json!({
            "query": {"terms": {"words": words}},
            "aggs": {"terms": {"terms": {"field": "words", "include": words, "size": words.len()}}},
            "size": 0,
            "track_total_hits": false,
        });
        let answers = self.ask_all(vec![search]).await?.into_iter();
        let counts = answers.flat_map(Answer::terms);
        Ok(counts
            .map(|(word, products)| (word, products.cast_signed()))
            .collect())
    }
}

/// Counts the words that begin with `word`.
fn completions(word: &str) -> Value {
    // A word is of letters, marks and digits, none of which means anything to an expression.
    let terms = json!({"field": "words", "include": format!("{word}.+"), "size": MAX_COMPLETIONS});
    json!({
        "query": {"prefix": {"words": word}},
        "aggs": {"terms": {"terms": terms}},
        "size": 0,
        "track_total_hits": false,
    })
}

/// Words that differ from `word` by a few letters. Which of them was meant is ours to say.
fn neighbours(word: &str) -> Value {
    let errors = tolerance(word);
    if errors == 0 {
        return exists(&json!({"match_none": {}}));
    }
    let term = json!({
        "field": "words",
        "suggest_mode": "always",
        "max_edits": errors,
        "prefix_length": 0,
        "min_word_length": 4,
        "accuracy": 0.0,
        "size": MAX_NEAR,
        "shard_size": MAX_NEAR,
    });
    json!({"size": 0, "track_total_hits": false, "suggest": {"near": {"text": word, "term": term}}})
}

fn suggested(mut answer: Answer) -> Vec<String> {
    let near = answer.suggest.remove("near").unwrap_or_default();
    near.into_iter()
        .flat_map(|it| it.options)
        .map(|it| it.text)
        .collect()
}
