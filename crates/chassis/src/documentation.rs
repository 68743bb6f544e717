//! What every route may answer, whatever its handler does, added to the OpenAPI document of a service.

use axum::http::StatusCode;
use utoipa::{
    Modify,
    openapi::{
        Content, Header, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        header::HeaderBuilder,
        path::{Operation, PathItem},
        schema::Type,
    },
};

use crate::error::PROBLEM_JSON;

/// What any request may be refused with: its head, by time, or because something is away or there is no room.
const ANY: [StatusCode; 5] = [
    StatusCode::BAD_REQUEST,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];
/// What only a request with a body may be refused with.
const WITH_BODY: [StatusCode; 4] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// Adds to each operation what [`public`](crate::public) may answer in place of its handler, and says of all problems that they are
/// problem+json. What an operation says itself stays.
#[derive(Debug)]
pub struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut OpenApi) {
        for operation in operations(document) {
            refuse(operation, &ANY);
            if operation.request_body.is_some() {
                refuse(operation, &WITH_BODY);
            }
            if operation.security.is_some() {
                refuse(operation, &[StatusCode::UNAUTHORIZED]);
            }
        }
    }
}

/// Every operation of a document.
pub fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        let PathItem {
            get,
            post,
            put,
            patch,
            delete,
            ..
        } = item;
        [get, post, put, patch, delete].into_iter().flatten()
    })
}

/// Documents that `operation` may be answered with a problem of each of these statuses.
pub fn refuse(operation: &mut Operation, statuses: &[StatusCode]) {
    let responses = &mut operation.responses.responses;
    for status in statuses {
        responses
            .entry(status.as_str().to_owned())
            .or_insert_with(|| RefOr::T(problem(*status)));
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else {
            continue;
        };
        if response.content.values().any(is_problem) {
            response.content = [(PROBLEM_JSON.to_owned(), RefOr::T(problem_content()))].into();
            if let Some((name, header)) = told_with(status) {
                response.headers.insert(name.to_owned(), RefOr::T(header));
            }
        }
    }
}

fn problem(status: StatusCode) -> Response {
    let said = status.canonical_reason().unwrap_or_default().to_lowercase();
    ResponseBuilder::new()
        .description(said)
        .content(PROBLEM_JSON, problem_content())
        .build()
}

fn problem_content() -> Content {
    Content::new(Some(Ref::from_schema_name("Problem")))
}

fn is_problem(content: &RefOr<Content>) -> bool {
    let RefOr::T(content) = content else {
        return false;
    };
    matches!(&content.schema, Some(RefOr::Ref(it)) if it.ref_location.ends_with("/Problem"))
}

/// The header that a client needs to know what to do next.
fn told_with(status: &str) -> Option<(&'static str, Header)> {
    let header = |kind, what: &str| {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(what))
            .build()
    };
    match status {
        "401" => {
            let what = "how to log in, and what is wrong with the token (RFC 6750)";
            Some(("www-authenticate", header(Type::String, what)))
        }
        "429" | "503" => {
            let what = "seconds after which another try makes sense, where that is known";
            Some(("retry-after", header(Type::Integer, what)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::OpenApi as _;

    use super::*;
    use crate::Problem;

    #[utoipa::path(get, path = "/free", responses((status = 200, body = String), (status = 404, description = "none", body = Problem)))]
    #[expect(dead_code, reason = "only what is said of it is looked at")]
    fn free() {}

    #[utoipa::path(post, path = "/guarded", request_body = String, security(("bearer" = [])), responses((status = 201, body = String)))]
    #[expect(dead_code, reason = "only what is said of it is looked at")]
    fn guarded() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(free, guarded), modifiers(&Refusals))]
    struct Documentation;

    #[test]
    fn every_operation_says_how_it_may_be_refused() {
        let document = serde_json::to_value(Documentation::openapi()).unwrap();
        let statuses = |operation: &Value| -> Vec<u16> {
            let responses = operation["responses"].as_object().unwrap();
            responses.keys().map(|it| it.parse().unwrap()).collect()
        };
        let free = &document["paths"]["/free"]["get"];
        let guarded = &document["paths"]["/guarded"]["post"];
        assert_eq!(statuses(free), [200, 400, 404, 431, 500, 503, 504]);
        assert_eq!(
            statuses(guarded),
            [201, 400, 401, 408, 413, 415, 422, 431, 500, 503, 504]
        );
        let said = &free["responses"]["404"];
        assert_eq!(said["description"], "none", "what it says itself stays");
        let problem = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        assert_eq!(said["content"], problem);
        assert_eq!(free["responses"]["503"]["content"], problem);
        assert!(free["responses"]["503"]["headers"]["retry-after"].is_object());
        assert!(guarded["responses"]["401"]["headers"]["www-authenticate"].is_object());
        assert!(free["responses"]["200"]["content"]["text/plain"].is_object());
    }
}
