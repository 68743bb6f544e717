//! What a change means, at the server that `scripts/backends env` names.

use std::{env, time::Duration};

use api::{Product, SearchQuery};
use chassis::new_id;

use super::Elastic;
use crate::SearchUrl;

/// Whoever does not wait for it finds nothing new.
const REFRESH: Duration = Duration::from_secs(2);

#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn a_change_is_news_once_and_can_be_searched_when_it_is_done() {
    let server = env::var("ELASTICSEARCH_URL").unwrap();
    let url = format!("{server}/{}", new_id("test"));
    let SearchUrl::Elasticsearch(url) = url.parse().unwrap() else {
        panic!("{url} names Elasticsearch");
    };
    let index = Elastic::open(&url, REFRESH, 1).await.unwrap();
    let seeded = api::seed(1).next().unwrap();
    let named = |name: &str, version| Product {
        name: name.to_owned(),
        version,
        ..seeded.clone()
    };
    let found = async |name: &str| {
        let asked = SearchQuery {
            q: Some(name.to_owned()),
            ..SearchQuery::default()
        };
        index
            .search(&asked.try_into().unwrap())
            .await
            .unwrap()
            .total
    };
    for (name, version, news) in [
        ("dulcimer", 3, true),
        ("dulcimer", 3, false),
        ("zither", 2, false),
        ("ocarina", 4, true),
    ] {
        let changed = index.change(&named(name, version)).await.unwrap();
        assert_eq!(changed, news, "{name} {version}");
        assert_eq!(found(name).await, u64::from(news || name == "dulcimer"));
    }
    assert_eq!(found("dulcimer").await, 0);
    Elastic::remove(&url).await.unwrap();
}
