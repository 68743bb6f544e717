//! A service in the same process: called, with all that a call has but a connection.

use api::inventory::{
    Availability, GetAvailabilityResponse,
    inventory_server::{Inventory, InventoryServer},
};
use chassis::{Concurrency, Limits, public};
use tower::ServiceExt as _;

use super::*;
use crate::DEFAULT_ADDRESS;

/// `routes` as a service serves them.
fn served(routes: Router) -> Router {
    let limits = Limits {
        timeout: SOON,
        body: 1024,
        concurrency: Concurrency::default(),
    };
    public(routes, limits)
}

/// An upstream whose service is in this process; its address has these parameters.
fn within(routes: Router, parameters: &str) -> Upstream {
    let address: Address = format!("{DEFAULT_ADDRESS}?{parameters}").parse().unwrap();
    Upstream::new("peer", &address.within(served(routes)), SOON)
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).expect(name);
    value.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_call_keeps_the_deadline_the_trace_and_the_path() {
    let seen = async |uri: axum::http::Uri, headers: HeaderMap| {
        let names = ["x-request-timeout-ms", "traceparent", "x-request-id"];
        let told = names.map(|it| header(&headers, it)).join(" ");
        format!("{uri} {told}")
    };
    let upstream = within(Router::new().route("/", get(seen)), "");
    assert_eq!(upstream.discovered(), Ok(()));
    let asks = async move || ask(&upstream).await.map(Response::into_body);
    let caller = served(Router::new().route("/", get(asks)));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = Request::get("/")
        .header("x-request-timeout-ms", "1000")
        .header("x-request-id", "r-1")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .body(axum::body::Body::empty());
    let Ok(answer) = caller.oneshot(request.unwrap()).await;
    let answer = answer.into_body().collect().await.unwrap().to_bytes();
    let answer = String::from_utf8(answer.into()).unwrap();
    let [uri, left, parent, id]: [&str; 4] =
        answer.split(' ').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((uri, id), ("/", "r-1"), "a path and no address");
    assert!(left.parse::<u64>().unwrap() <= 1_000, "{left}");
    assert!(parent.contains(trace), "{parent}");
    assert!(!parent.contains("00f067aa0ba902b7"), "a span of its own");
}

/// Has seven of whatever is asked for, and fails for nothing at all.
struct Seven;

#[tonic::async_trait]
impl Inventory for Seven {
    async fn get_availability(
        &self,
        request: tonic::Request<GetAvailabilityRequest>,
    ) -> Result<tonic::Response<GetAvailabilityResponse>, tonic::Status> {
        let ids = request.into_inner().product_ids;
        if ids.is_empty() {
            return Err(tonic::Status::invalid_argument("no ids"));
        }
        let items = ids.into_iter().map(|product_id| Availability {
            product_id,
            available: 7,
        });
        let items = items.collect();
        Ok(tonic::Response::new(GetAvailabilityResponse { items }))
    }
}

#[tokio::test]
async fn a_call_in_grpc_has_its_answer_and_its_status() {
    let routes = tonic::service::Routes::new(InventoryServer::new(Seven));
    let upstream = within(routes.into_axum_router().reset_fallback(), "");
    let mut client = InventoryClient::new(upstream.grpc().idempotent());
    let product_ids = vec!["p-1".to_owned()];
    let answer = client.get_availability(GetAvailabilityRequest { product_ids });
    let items = answer.await.unwrap().into_inner().items;
    assert_eq!((items.len(), items[0].available), (1, 7));
    let refused = client.get_availability(GetAvailabilityRequest::default());
    let status = refused.await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert_eq!(status.message(), "no ids");
}

/// Whether time was over: whichever of caller and part notices first says so.
fn late(answer: &Result<Response<Bytes>, Error>) -> bool {
    match answer {
        Ok(answer) => answer.status() == StatusCode::GATEWAY_TIMEOUT,
        Err(error) => matches!(error, Error::Timeout),
    }
}

#[tokio::test]
async fn a_part_that_hangs_takes_no_longer_than_a_call_may() {
    let hangs = Router::new().route("/", get(std::future::pending::<()>));
    for parameters in ["timeout=50ms", "timeout=50ms&cancel=off"] {
        let upstream = within(hangs.clone(), parameters);
        let answer = tokio::time::timeout(SOON, ask(&upstream)).await;
        let answer = answer.expect("an end");
        assert!(late(&answer), "{parameters}: {answer:?}");
    }
}

#[tokio::test]
async fn a_breaker_and_a_bulkhead_stand_before_it_too() {
    let fails = Router::new().route("/", get(async || StatusCode::INTERNAL_SERVER_ERROR));
    let upstream = within(fails, "retries=off&breaker=50");
    for _ in 0..40 {
        // What comes of each is not what is asked.
        let _ = ask(&upstream).await;
    }
    let answer = ask(&upstream).await;
    assert!(matches!(answer, Err(Error::Unavailable("peer"))), "open");
    let hangs = Router::new().route("/", get(std::future::pending::<()>));
    let upstream = within(hangs, "timeout=1s&bulkhead=1&bulkhead_wait=1ms");
    let (first, second) = tokio::join!(ask(&upstream), ask(&upstream));
    assert!(late(&first), "{first:?}");
    assert!(
        matches!(second, Err(Error::Unavailable("peer"))),
        "no place"
    );
}

#[test]
fn its_address_says_so_and_is_no_text_to_parse() {
    let address: Address = "file:services.json?breaker=off".parse().unwrap();
    let address = address.within(Router::new());
    assert_eq!(address.to_string(), "in this process?breaker=off");
    assert_eq!(address, address.clone());
    assert_ne!(address, address.clone().within(Router::new()));
    assert!("in this process".parse::<Address>().is_err());
}
