//! `rumormill node --http ADDR`: how a node is, for browsers and for programs. Read-only.
//!
//! It has a thread of its own and sees the node through a [`Window`], at most ten times a second whatever is asked, so the node
//! waits for nobody who reads. Whoever asks is a stranger: what they may send, and hold, is bounded.

mod atlas;
mod feed;
mod metrics;

use super::show;
use crate::cli::Failure;
use crate::live::{Glimpse, Report, Window};
use crate::protocol::State as NodeState;
use atlas::Atlas;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use feed::Feed;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// The page; `NONCE` stands for a number that is drawn for each answer.
const PAGE: &str = include_str!("http/page.html");
/// So many connections are served at once; others wait.
const CONNECTIONS: usize = 64;
/// So long a request may take to come in, and so long a connection may be idle.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// So many bytes the head of a request may have, …
const HEAD_BYTES: usize = 16 << 10;
/// … in so many headers.
const MOST_HEADERS: usize = 64;
/// So long what was seen of the node is shown again.
const FRESH: Duration = Duration::from_millis(100);
/// So often those who watch are told how the node is.
const PULSE: Duration = Duration::from_secs(1);
/// So long those who are connected may hold up the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// Browsers that obey these let nobody make anything of the answers but us.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

const NOT_FOUND: &str = "Nothing is here. There are / (a page), /status, /network, /events and /metrics.\n";
const WRONG_HOST: &str =
    "This address has to be asked for as a number, such as http://127.0.0.1:8080/, not by a name.\n";
const WRONG_SITE: &str = "Pages of other sites may not read this.\n";

/// What a node shows, as long as this lives.
pub(super) struct Web {
    /// Where.
    pub(super) address: SocketAddr,
    scene: Arc<Scene>,
    runtime: Option<Runtime>,
}

/// What all requests see.
struct Scene {
    address: SocketAddr,
    window: Window,
    /// What was seen of the node last.
    seen: Mutex<Option<(Instant, Arc<Glimpse>)>>,
    /// Whether the node was told to join.
    has_set_out: AtomicBool,
    /// What those who watch were told last; none while nobody does.
    told: Mutex<Option<Arc<Glimpse>>>,
    feed: Feed,
    atlas: Atlas,
    metrics: metrics::Source,
}

/// Takes an address; nobody is answered there yet.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let unusable = |error: io::Error| {
        Failure::Unusable(format!("cannot listen at {address}: {error}; choose another address with --http"))
    };
    let listener = TcpListener::bind(address).map_err(unusable)?;
    listener.set_nonblocking(true).map_err(unusable)?;
    Ok(listener)
}

impl Web {
    /// From now on shows what is seen through a window.
    pub(super) fn open(listener: TcpListener, window: Window) -> Result<Web, Failure> {
        let unusable = |error: io::Error| Failure::Unusable(format!("cannot serve HTTP: {error}"));
        let address = listener.local_addr().map_err(unusable)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(unusable)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(unusable)?
        };
        let scene = Arc::new(Scene {
            address,
            metrics: metrics::Source::new(&window.glimpse()),
            window,
            seen: Mutex::new(None),
            has_set_out: AtomicBool::new(false),
            told: Mutex::new(None),
            feed: Feed::new(),
            atlas: Atlas::default(),
        });
        runtime.spawn(accept(Arc::clone(&scene), listener));
        runtime.spawn(watch(Arc::clone(&scene)));
        Ok(Web { address, scene, runtime: Some(runtime) })
    }

    /// The node was told to join.
    pub(super) fn set_out(&self) {
        self.scene.has_set_out.store(true, Ordering::Relaxed);
    }

    /// Something happened that those who watch may want to know.
    pub(super) fn tell(&self, report: &Report) {
        self.scene.feed.on_report(report);
    }

    /// Tells those who watch that the node goes.
    pub(super) fn end(&self) {
        self.scene.feed.end();
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(FAREWELL);
        }
    }
}

impl Scene {
    /// How the node is, or was a moment ago.
    fn glimpse(&self) -> Arc<Glimpse> {
        let mut seen = locked(&self.seen);
        if let Some((when, glimpse)) = &*seen
            && when.elapsed() < FRESH
        {
            return Arc::clone(glimpse);
        }
        let mut glimpse = self.window.glimpse();
        if !self.has_set_out.load(Ordering::Relaxed) {
            glimpse.status.state = NodeState::Joining;
        }
        let glimpse = Arc::new(glimpse);
        *seen = Some((Instant::now(), Arc::clone(&glimpse)));
        glimpse
    }
}

/// Nothing that is locked here is left half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(scene: Arc<Scene>, listener: tokio::net::TcpListener) {
    let (seats, routes) = (Arc::new(Semaphore::new(CONNECTIONS)), routes(scene));
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptors are left, perhaps.
            sleep(FRESH).await;
            continue;
        };
        _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIME);
            server.max_buf_size(HEAD_BYTES).max_headers(MOST_HEADERS);
            // Whoever breaks off is gone, and that is all.
            _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(seat);
        });
    }
}

/// Tells those who watch how the node is, and which neighbors come and go; looks at nothing while nobody watches.
async fn watch(scene: Arc<Scene>) {
    loop {
        sleep(PULSE).await;
        let mut told = locked(&scene.told);
        if !scene.feed.is_watched() {
            *told = None;
            continue;
        }
        let now = scene.glimpse();
        if let Some(before) = told.replace(Arc::clone(&now)) {
            scene.feed.on_neighbors(&before.status.neighbors, &now.status.neighbors);
        }
        scene.feed.on_status(&now.status);
    }
}

fn routes(scene: Arc<Scene>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status", get(status))
        .route("/network", get(atlas::network))
        .route("/events", get(feed::events))
        .route("/metrics", get(metrics::metrics))
        .fallback((StatusCode::NOT_FOUND, NOT_FOUND))
        .layer(middleware::from_fn_with_state(Arc::clone(&scene), guard))
        .with_state(scene)
}

/// Answers only those who mean this address, and says how the answers may be used.
async fn guard(State(scene): State<Arc<Scene>>, request: Request, next: Next) -> Response {
    let is_meant = match request.uri().authority() {
        Some(authority) => is_host(authority, scene.address),
        None => true,
    } && is_named(request.headers(), scene.address);
    let mut response = if !is_meant {
        (StatusCode::MISDIRECTED_REQUEST, WRONG_HOST).into_response()
    } else if is_of_other_site(request.headers()) {
        (StatusCode::FORBIDDEN, WRONG_SITE).into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether the one header that names the host means this address. A page of another site can make its own name mean our
/// address (DNS rebinding); what a browser then sends is that name.
fn is_named(headers: &HeaderMap, bound: SocketAddr) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    Authority::try_from(host.as_bytes()).is_ok_and(|authority| is_host(&authority, bound))
}

/// Whether a host is meant that is bound to this address. The port may be another one, that of a tunnel.
fn is_host(authority: &Authority, bound: SocketAddr) -> bool {
    let (host, bound) = (authority.host(), bound.ip());
    if host.eq_ignore_ascii_case("localhost") {
        return bound.is_loopback() || bound.is_unspecified();
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.parse::<IpAddr>().is_ok_and(|host| {
        bound.is_unspecified() || host == bound || (bound.is_loopback() && host.is_loopback())
    })
}

/// Whether a browser says that a page of another site asks. (To come here by a link is something else.)
fn is_of_other_site(headers: &HeaderMap) -> bool {
    let says = |name: &str, values: &[&str]| {
        headers.get(name).is_some_and(|value| values.iter().any(|known| value.as_bytes() == known.as_bytes()))
    };
    says("sec-fetch-site", &["cross-site", "same-site"]) && !says("sec-fetch-mode", &["navigate"])
}

async fn page() -> Response {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE.replace("NONCE", &nonce))).into_response()
}

async fn status(State(scene): State<Arc<Scene>>) -> Response {
    Json(show::status_with_neighbors(&scene.glimpse().status)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_means_this_address_is_answered() {
        for (bound, host, is_meant) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "LOCALHOST:8080", true),
            ("127.0.0.1:8080", "localhost", true),
            ("127.0.0.1:8080", "127.0.0.1:9", true),
            ("127.0.0.1:8080", "[::1]:8080", true),
            ("127.0.0.1:8080", "evil.example:8080", false),
            ("127.0.0.1:8080", "127.0.0.1.evil.example", false),
            ("127.0.0.1:8080", "localhost.evil.example", false),
            ("127.0.0.1:8080", "192.168.1.5:8080", false),
            ("127.0.0.1:8080", "", false),
            ("127.0.0.1:8080", "user@127.0.0.1:8080", true),
            ("[::1]:8080", "[::1]:8080", true),
            ("192.168.1.5:8080", "192.168.1.5:8080", true),
            ("192.168.1.5:8080", "127.0.0.1:8080", false),
            ("192.168.1.5:8080", "localhost:8080", false),
            ("0.0.0.0:8080", "192.168.1.5:8080", true),
            ("0.0.0.0:8080", "evil.example:8080", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(is_named(&headers, bound.parse().unwrap()), is_meant, "{host} for {bound}");
            headers.append(header::HOST, host.parse().unwrap());
            assert!(!is_named(&headers, bound.parse().unwrap()), "two hosts");
        }
        assert!(!is_named(&HeaderMap::new(), "127.0.0.1:8080".parse().unwrap()), "no host");
    }

    /// Everything that the page needs stands in it.
    #[test]
    fn the_page_asks_nobody_else() {
        for foreign in
            ["src=", "http://", "https://", "@import", "url(", "innerHTML", "eval(", "document.write"]
        {
            let found =
                PAGE.match_indices(foreign).find(|(at, _)| !PAGE[*at..].starts_with("http://www.w3.org/"));
            assert!(found.is_none(), "{foreign}: {found:?}");
        }
        assert_eq!(PAGE.matches("nonce=\"NONCE\"").count(), PAGE.matches("NONCE").count());
    }
}
