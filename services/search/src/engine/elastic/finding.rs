//! Searching.

use api::{CategoryCount, Cents, Hit};
use chassis::Error;
use elasticsearch::{MsearchParts, SearchParts, http::request::JsonBody};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Elastic,
    answer::{Cause, Failure, SHORT, ask},
    schema::TEXTS,
};
use crate::{
    store::Found,
    text::cursor::Position,
    text::query::{Query, Text},
    text::reading::{Alternatives, Need},
};

/// More categories than any shop has.
const MAX_CATEGORIES: u32 = 10_000;

/// The answer to one search.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    /// Of one search among several.
    status: Option<u16>,
    error: Option<Cause>,
    hits: Hits,
    aggregations: Aggregations,
    /// What was suggested, for each name it was asked under.
    pub(super) suggest: std::collections::BTreeMap<String, Vec<Suggestions>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hits {
    total: Total,
    hits: Vec<Document>,
}

#[derive(Debug, Default, Deserialize)]
struct Total {
    value: u64,
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(rename = "_id")]
    id: api::ProductId,
    #[serde(rename = "_version")]
    version: i64,
    #[serde(rename = "_score")]
    score: f64,
    #[serde(rename = "_source")]
    product: Product,
}

/// What a hit shows of a product.
#[derive(Debug, Deserialize)]
struct Product {
    name: String,
    category: String,
    price_cents: Cents,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Aggregations {
    terms: Terms,
}

#[derive(Debug, Default, Deserialize)]
struct Terms {
    buckets: Vec<Bucket>,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    key: String,
    doc_count: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Suggestions {
    pub(super) options: Vec<Suggestion>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Suggestion {
    pub(super) text: String,
}

impl Answer {
    /// Whether anything matches.
    pub(super) fn found(&self) -> bool {
        self.hits.total.value > 0
    }

    /// The terms that were counted, most first.
    pub(super) fn terms(self) -> impl Iterator<Item = (String, u64)> {
        let buckets = self.aggregations.terms.buckets.into_iter();
        buckets.map(|it| (it.key, it.doc_count))
    }
}

impl From<Document> for (Hit, Position) {
    fn from(document: Document) -> Self {
        let Product {
            name,
            category,
            price_cents,
        } = document.product;
        let position = Position {
            // The server calls the best the most.
            score: -document.score,
            id: document.id.clone(),
        };
        let hit = Hit {
            id: document.id,
            version: document.version,
            name,
            category,
            price_cents,
        };
        (hit, position)
    }
}

impl Elastic {
    pub(crate) async fn search(&self, query: &Query) -> Result<Found, Error> {
        let words = match &query.text {
            Text::Blank => return Ok(self.find(query, Vec::new()).await?),
            Text::Words(words) => words,
        };
        let reading = self.read(words).await?;
        if reading.terms.is_empty() {
            return Ok(Found::default());
        }
        let need = reading.need();
        let mut found = self
            .find(query, vec![matching(&reading.terms, need)])
            .await?;
        // Perhaps no product has all words, or none of those that do has the price.
        if need == Need::All && found.categories.is_empty() && !self.any(&reading.terms).await? {
            let any = matching(&reading.terms, Need::Any);
            found = self.find(query, vec![any]).await?;
        }
        found.corrections = reading.corrections;
        Ok(found)
    }

    /// The page that is asked for, of the products that match all `conditions`.
    async fn find(&self, query: &Query, conditions: Vec<Value>) -> Result<Found, Failure> {
        let price =
            json!({"range": {"price_cents": {"gte": query.min_price, "lte": query.max_price}}});
        let mut body = json!({
            "query": {"bool": {"must": conditions, "filter": [price]}},
            "aggs": {"terms": {"terms": {"field": "category", "size": MAX_CATEGORIES}}},
            "sort": [{"_score": "desc"}, {"id": "asc"}],
            "size": query.limit + 1,
            "track_total_hits": true,
            "version": true,
            "_source": ["name", "category", "price_cents"],
        });
        if let Some(category) = &query.category {
            // After the categories have been counted.
            body["post_filter"] = json!({"term": {"category": category}});
        }
        if let Some(after) = &query.after {
            body["search_after"] = json!([-after.score, after.id]);
        }
        let client = self.client();
        let names = [self.0.live.as_str()];
        // Copies of a shard score a little differently: the pages of one search come from the same.
        let preference = format!("{:016x}", query.fingerprint);
        let search = client
            .search(SearchParts::Index(&names))
            .allow_partial_search_results(false)
            .preference(&preference)
            .body(body);
        let answer: Answer = ask("search", SHORT, search.send()).await?;
        let total = answer.hits.total.value;
        let (documents, terms) = (answer.hits.hits, answer.aggregations.terms.buckets);
        Ok(Found {
            total,
            hits: documents.into_iter().map(Into::into).collect(),
            categories: terms
                .into_iter()
                .map(|it| CategoryCount {
                    category: it.key,
                    count: it.doc_count,
                })
                .collect(),
            corrections: Vec::new(),
        })
    }

    async fn any(&self, terms: &[Alternatives]) -> Result<bool, Failure> {
        let answers = self
            .ask_all(vec![exists(&matching(terms, Need::All))])
            .await?;
        Ok(answers.iter().all(Answer::found))
    }

    /// The answers to several searches, in their order.
    pub(super) async fn ask_all(&self, searches: Vec<Value>) -> Result<Vec<Answer>, Failure> {
        let head = json!({"allow_partial_search_results": false});
        let lines = searches
            .into_iter()
            .flat_map(|it| [JsonBody::new(head.clone()), JsonBody::new(it)])
            .collect();
        let names = [self.0.live.as_str()];
        let msearch = self
            .client()
            .msearch(MsearchParts::Index(&names))
            .body(lines);
        let Answers { responses } = ask("msearch", SHORT, msearch.send()).await?;
        for answer in &responses {
            if let Some(cause) = &answer.error {
                let status = answer.status.unwrap_or(500);
                return Err(Failure::of(status, cause.kind.clone()));
            }
        }
        Ok(responses)
    }
}

#[derive(Deserialize)]
struct Answers {
    responses: Vec<Answer>,
}

/// What products must be like to have all `terms`, or any.
fn matching(terms: &[Alternatives], need: Need) -> Value {
    let terms: Vec<_> = terms.iter().map(|it| any_of(it)).collect();
    match need {
        Need::All => json!({"bool": {"must": terms}}),
        Need::Any => json!({"bool": {"should": terms, "minimum_should_match": 1}}),
    }
}

fn any_of(words: &[String]) -> Value {
    let words: Vec<_> = words.iter().map(|it| has(it, &TEXTS)).collect();
    json!({"bool": {"should": words, "minimum_should_match": 1}})
}

/// That `word` is in one of `fields`, scored as if they were one text (BM25F), which is how FTS5 does it.
pub(super) fn has(word: &str, fields: &[&str]) -> Value {
    json!({"combined_fields": {"query": word, "fields": fields, "operator": "and"}})
}

/// A search that only tells whether anything matches.
pub(super) fn exists(condition: &Value) -> Value {
    json!({"query": condition, "size": 0, "terminate_after": 1, "track_total_hits": true})
}
