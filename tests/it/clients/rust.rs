//! The `tus_client` crate. It leaves requests to somebody else, here to ureq.

use std::collections::HashMap;
use std::thread;

use tus_client::http::{HttpHandler, HttpMethod, HttpRequest, HttpResponse};
use tus_client::{Client, Error};
use ureq::Agent;
use ureq::http::Request;

use super::{Trip, ways};
use crate::support::limit::{LIMIT, joined};

struct Requests(Agent);

impl HttpHandler for Requests {
    fn handle_request(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let method = request.method.to_string().to_uppercase();
        let mut builder = Request::builder().method(&*method).uri(request.url);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let response = match request.method {
            HttpMethod::Post | HttpMethod::Patch => {
                let body = request.body.unwrap_or_default();
                self.0.run(builder.body(body).expect("a request"))
            }
            HttpMethod::Head | HttpMethod::Options | HttpMethod::Delete => {
                self.0.run(builder.body(()).expect("a request"))
            }
        };
        let response = response.map_err(|error| Error::HttpHandlerError(error.to_string()))?;
        let fields = response.headers().iter().map(|(name, value)| {
            let value = value.to_str().unwrap_or_default();
            (name.to_string(), value.to_owned())
        });
        Ok(HttpResponse {
            headers: fields.collect(),
            status_code: response.status().as_u16().into(),
        })
    }
}

fn client() -> Client<'static> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(LIMIT))
        .proxy(None);
    Client::new(Requests(config.build().into()))
}

#[test]
fn tus_client_goes_on_when_it_is_asked_to() {
    for way in ways() {
        let mut trip = Trip::new(way, &[]);
        let path = trip.file.path().to_owned();
        let metadata = HashMap::from([("filename".to_owned(), trip.file.name().to_owned())]);
        let created = client().create_with_metadata(&trip.endpoint(), &path, metadata);
        let url = created.expect("an address");
        let (of_first, from) = (url.clone(), path.clone());
        let first = thread::spawn(move || client().upload(&of_first, &from));
        trip.cut();
        let first = joined("the end of the upload that was cut", first);
        first.expect_err("it was cut");
        client().upload(&url, &path).expect("the rest goes up");
        trip.expect_arrived();
    }
}
