//! Which request a fault hits, and what it does to it.

use super::*;

fn on(route: &str) -> Fault {
    Fault {
        route: route.to_owned(),
        error_ratio: 1.0,
        ..Fault::default()
    }
}

#[test]
fn a_fault_hits_its_own_route_and_one_without_a_route_hits_the_rest() {
    let faults = Faults::default();
    faults.set(on("/products/{id}")).unwrap();
    let find = |route| {
        let found = faults.find(Some(route), "/products/p-000001");
        found.map(|it| it.fault)
    };
    assert_eq!(find("/products/{id}"), Some(on("/products/{id}")));
    assert_eq!(find("/products"), None);
    faults.set(on("")).unwrap();
    assert_eq!(find("/products"), Some(on("")));
    faults.clear(Some(""));
    assert_eq!(find("/products"), None);
}

#[test]
fn a_fault_that_makes_no_sense_is_refused() {
    let faults = Faults::default();
    let ratio = Fault {
        error_ratio: 1.5,
        ..Fault::default()
    };
    let late = Fault {
        latency_ms: MAX_MILLIS + 1,
        ..Fault::default()
    };
    let memory_of_a_route = Fault {
        memory_mb: 1,
        ..on("/products")
    };
    let everything = Fault {
        memory_mb: MAX_MEMORY_MB + 1,
        ..Fault::default()
    };
    let crowd = Fault {
        workers: MAX_WORKERS + 1,
        ..Fault::default()
    };
    let success = Fault {
        error_status: 204,
        ..Fault::default()
    };
    for fault in [ratio, late, memory_of_a_route, everything, crowd, success] {
        assert!(faults.set(fault).is_err());
    }
    assert_eq!(faults.list(), []);
}

#[test]
fn an_error_has_the_status_that_it_was_given_in_either_protocol() {
    let answer = |error_status, grpc| {
        let fault = Fault {
            error_status,
            ..Fault::default()
        };
        fault.answer(grpc)
    };
    let status = |it: u16| answer(it, false).status().as_u16();
    assert_eq!([status(0), status(500), status(503)], [500, 500, 503]);
    let code = |it: u16| answer(it, true).headers()["grpc-status"].clone();
    assert_eq!([code(0), code(500), code(503)], ["13", "13", "14"]);
}

#[test]
fn memory_is_held_until_the_fault_is_cleared() {
    let faults = Faults::default();
    let held = || HELD.lock().unwrap().len();
    let fault = Fault {
        memory_mb: 2,
        ..Fault::default()
    };
    faults.set(fault).unwrap();
    assert_eq!(held(), 2 * 1024 * 1024);
    faults.clear(Some("/products"));
    assert_eq!(held(), 2 * 1024 * 1024);
    faults.clear(None);
    assert_eq!(held(), 0);
}

#[tokio::test(start_paused = true)]
async fn workers_take_one_request_each_and_the_others_wait() {
    let faults = Faults::default();
    let fault = Fault {
        workers: 2,
        latency_ms: 100,
        ..Fault::default()
    };
    faults.set(fault).unwrap();
    let began = tokio::time::Instant::now();
    let visit = || async {
        faults.find(None, "/search").unwrap().happens().await;
        began.elapsed().as_millis()
    };
    let ended = futures_util::future::join_all((0..5).map(|_| visit())).await;
    assert_eq!(ended, [100, 100, 200, 200, 300]);
    // Who gives up takes no worker along.
    let given_up = tokio::time::timeout(Duration::from_millis(50), visit());
    assert!(given_up.await.is_err());
    assert_eq!(visit().await, 450);
}

#[tokio::test]
async fn a_fault_of_every_route_is_none_of_the_database() {
    let faults = Faults::default();
    faults.set(on("")).unwrap();
    assert!(faults.strike_at(DATABASE).await.is_ok());
    faults.set(on(DATABASE)).unwrap();
    assert!(faults.strike_at(DATABASE).await.is_err());
}
