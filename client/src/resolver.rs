//! The addresses of a host, with a cache: ureq resolves the host in a new thread before each request, also on an open
//! connection.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::zone::set_zone;

/// The lifetime of an answer. Short, because the host may get another address.
const LIFETIME: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct CachedResolver<R = DefaultResolver> {
    inner: R,
    /// The zone of link-local addresses.
    zone: Option<String>,
    last: Mutex<Option<Answer>>,
}

#[derive(Debug)]
struct Answer {
    uri: Uri,
    addrs: Vec<SocketAddr>,
    at: Instant,
}

impl<R: Resolver> CachedResolver<R> {
    pub(crate) fn new(inner: R, zone: Option<String>) -> CachedResolver<R> {
        CachedResolver {
            inner,
            zone,
            last: Mutex::default(),
        }
    }

    fn ask(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.inner.resolve(uri, config, timeout)?;
        if let Some(zone) = &self.zone {
            for addr in found.iter_mut() {
                set_zone(addr, zone)?;
            }
        }
        Ok(found)
    }

    fn last(&self) -> MutexGuard<'_, Option<Answer>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Resolver> Resolver for CachedResolver<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if let Some(answer) = self.last().as_ref().filter(|last| last.is_valid_for(uri)) {
            let mut found = self.empty();
            answer.addrs.iter().for_each(|addr| found.push(*addr));
            return Ok(found);
        }
        let found = self.ask(uri, config, timeout)?;
        *self.last() = Some(Answer {
            uri: uri.clone(),
            addrs: found.to_vec(),
            at: Instant::now(),
        });
        Ok(found)
    }
}

impl Answer {
    fn is_valid_for(&self, uri: &Uri) -> bool {
        let is_same_host =
            self.uri.scheme() == uri.scheme() && self.uri.authority() == uri.authority();
        is_same_host && self.at.elapsed() < LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};

    use ureq::unversioned::transport::time;

    use super::*;

    /// Returns another port at each call.
    #[derive(Debug, Default)]
    struct Counting(AtomicU16);

    impl Resolver for Counting {
        fn resolve(
            &self,
            _: &Uri,
            _: &Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let calls = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            let mut found = self.empty();
            found.push(([127, 0, 0, 1], calls).into());
            Ok(found)
        }
    }

    #[test]
    fn answer_is_kept_for_one_host() {
        let resolver = CachedResolver::new(Counting::default(), None);
        let resolve = |uri: &str| {
            let timeout = NextTimeout {
                after: time::Duration::NotHappening,
                reason: ureq::Timeout::Resolve,
                ..NextTimeout::default()
            };
            let uri = uri.parse().expect("a URI");
            let found = resolver.resolve(&uri, &Config::default(), timeout);
            found.expect("an address")[0].port()
        };
        assert_eq!(resolve("http://nas:8080/status"), 1);
        assert_eq!(resolve("http://nas:8080/upload"), 1);
        assert_eq!(resolve("http://nas:8081/upload"), 2);
        assert_eq!(resolve("https://nas:8081/upload"), 3);
        resolver.last().as_mut().expect("an answer").at -= LIFETIME;
        assert_eq!(resolve("https://nas:8081/upload"), 4);
    }
}
