//! Writing: a change, or many products with back-pressure.

use std::time::Duration;

use api::Product;
use chassis::Error;
use elasticsearch::{BulkParts, params::Refresh};
use serde::Deserialize;
use serde_json::json;

use super::{
    Elastic,
    answer::{Cause, Failure, LONG, SHORT, ask},
    schema,
};

/// The most products in one call, ...
const MAX_PRODUCTS: usize = 1_000;
/// ... and about the most bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// How often a call is made before it is given up, ...
const MAX_TRIES: u32 = 8;
/// ... and the wait after the first time; each further one is twice as long.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What became of one product of a call.
#[derive(Debug)]
enum Put {
    Done,
    /// It is there in this version or a newer one.
    Older,
    Not(Failure),
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    #[serde(default)]
    error: Cause,
}

impl From<Item> for Put {
    fn from(Item { index }: Item) -> Self {
        match index.status {
            200..300 => Self::Done,
            409 => Self::Older,
            status => Self::Not(Failure::of(status, index.error.kind)),
        }
    }
}

/// A product as two lines of a call: where it goes, and what it is.
fn lines(alias: &str, product: &Product) -> String {
    let place = json!({"index": {
        "_index": alias,
        "_id": product.id,
        "version": product.version,
        "version_type": "external",
        // What is no alias would become an index, and a mess.
        "require_alias": true,
    }});
    format!("{place}\n{}", schema::document(product))
}

impl Elastic {
    /// Makes the index say what `product` is like and returns when that can be searched; says whether it is news.
    pub(crate) async fn change(&self, product: &Product) -> Result<bool, Error> {
        // First the new index, then the one in use: if the one takes the place of the other in between, it has it too. Where
        // no index is being written anew there is no such alias, and nothing to do.
        let both = [lines(&self.0.next, product), lines(&self.0.live, product)];
        let put = self.bulk(&both, Refresh::WaitFor, SHORT).await?;
        let [next, live] = <[Put; 2]>::try_from(put).map_err(|_| incomplete())?;
        match next {
            Put::Not(failure) if !failure.is(404) => return Err(failure.into()),
            _ => (),
        }
        match live {
            Put::Done => Ok(true),
            Put::Older => Ok(false),
            Put::Not(failure) => Err(failure.into()),
        }
    }

    async fn bulk(
        &self,
        lines: &[String],
        refresh: Refresh,
        longest: Duration,
    ) -> Result<Vec<Put>, Failure> {
        let lines = lines.iter().map(String::as_str).collect();
        let bulk = self.client().bulk(BulkParts::None);
        let call = bulk.refresh(refresh).body(lines);
        let answer: Answer = ask("bulk", longest, call.send()).await?;
        Ok(answer.items.into_iter().map(Into::into).collect())
    }
}

/// Products on their way to the index that is being written anew: as many as fit into one call, and one call at a time, so
/// that whoever brings them goes no faster than the server takes them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    lines: Vec<String>,
    bytes: usize,
}

impl Batch {
    /// Adds a product, and writes all that have gathered if they are enough.
    pub(super) async fn add(&mut self, index: &Elastic, product: &Product) -> Result<(), Failure> {
        let lines = lines(&index.0.next, product);
        self.bytes += lines.len();
        self.lines.push(lines);
        if self.lines.len() >= MAX_PRODUCTS || self.bytes >= MAX_BYTES {
            self.write(index).await?;
        }
        Ok(())
    }

    /// Writes what has gathered. What the server has no room for now, and only that, is tried again.
    pub(super) async fn write(&mut self, index: &Elastic) -> Result<(), Failure> {
        let mut left = std::mem::take(self).lines;
        if left.is_empty() {
            return Ok(());
        }
        let mut pause = BACK_OFF;
        for _ in 0..MAX_TRIES {
            left = match index.bulk(&left, Refresh::False, LONG).await {
                Ok(put) => refused(left, put)?,
                Err(Failure::Away) => left,
                Err(failure) => return Err(failure),
            };
            if left.is_empty() {
                return Ok(());
            }
            let products = left.len();
            tracing::warn!(
                products,
                ?pause,
                "search engine overloaded; products will be sent again"
            );
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Failure::Away)
    }
}

/// Of the lines of a call those that there was no room for.
fn refused(lines: Vec<String>, put: Vec<Put>) -> Result<Vec<String>, Failure> {
    let mut left = Vec::new();
    for (line, put) in lines.into_iter().zip(put) {
        match put {
            Put::Done | Put::Older => (),
            Put::Not(Failure::Away) => left.push(line),
            Put::Not(failure) => return Err(failure),
        }
    }
    Ok(left)
}

fn incomplete() -> Error {
    Error::Internal(anyhow::anyhow!("bulk response incomplete"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(status: u16) -> Put {
        let kind = "some_exception".to_owned();
        let error = Cause { kind };
        Item {
            index: Outcome { status, error },
        }
        .into()
    }

    #[test]
    fn only_what_there_was_no_room_for_is_tried_again() {
        let lines = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let left = refused(lines.clone(), [201, 429, 409, 503].map(put).into()).unwrap();
        assert_eq!(left, ["b", "d"]);
        let broken = refused(lines, [201, 429, 400, 201].map(put).into());
        assert!(broken.unwrap_err().is(400), "it would never fit");
    }
}
