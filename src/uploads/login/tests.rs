//! Turns of waiting logins, with times that the tests choose.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::*;

fn logins() -> Arc<Logins> {
    let mut users = Users::new();
    users.add("ann", "secret");
    users.add("bob", "secret");
    Arc::new(Logins::new(users, 1000, [7; 64]))
}

fn head(credentials: &str) -> Head {
    let given = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    let fields = [("Host", "localhost"), ("Authorization", &*given)];
    Head::from_parts("GET", "/", fields).expect("a head")
}

fn peer(number: u8) -> Option<Peer> {
    Some(Peer::Ip([192, 0, 2, number].into()))
}

#[track_caller]
fn wait(logins: &Arc<Logins>, credentials: &str, from: u8, now: Instant) -> Ticket {
    match logins.begin(&head(credentials), peer(from), now) {
        Login::Waits(ticket) => ticket,
        _ => panic!("{credentials} does not wait"),
    }
}

#[track_caller]
fn assert_waits(ticket: &Ticket, now: Instant) {
    assert!(matches!(ticket.next_step(now), NextStep::At(at) if at > now));
}

#[track_caller]
fn assert_checks(ticket: &Ticket, now: Instant) {
    assert!(matches!(ticket.next_step(now), NextStep::Check));
}

#[test]
fn one_login_is_checked_at_a_time_in_order() {
    let (logins, now) = (logins(), Instant::now());
    let first = wait(&logins, "ann:secret", 1, now);
    let second = wait(&logins, "bob:wrong", 2, now);
    let third = wait(&logins, "bob:secret", 3, now);
    assert_waits(&second, now);
    assert_checks(&first, now);
    assert_waits(&second, now);
    assert_eq!(first.check().as_deref(), Some("ann"));
    assert_waits(&third, now);
    assert_checks(&second, now);
    drop(second);
    assert_checks(&third, now);
}

#[test]
fn requests_with_the_same_credentials_share_one_check() {
    let (logins, now) = (logins(), Instant::now());
    for (credentials, expected) in [("ann:secret", Some("ann")), ("ann:wrong", None)] {
        let tickets = [(); 6].map(|()| wait(&logins, credentials, 1, now));
        assert_checks(&tickets[0], now);
        assert_waits(&tickets[1], now);
        assert_eq!(tickets[0].check().as_deref(), expected);
        for ticket in &tickets[1..] {
            let NextStep::Ended(user) = ticket.next_step(now) else {
                panic!("the check has ended");
            };
            assert_eq!(user.as_deref(), expected);
        }
    }
    // The six wrong ones count as one: there is no delay yet.
    assert_checks(&wait(&logins, "ann:other", 1, now), now);
}

#[test]
fn dropped_login_leaves_its_turn_to_the_next() {
    let (logins, now) = (logins(), Instant::now());
    let [first, second] = [(); 2].map(|()| wait(&logins, "ann:secret", 1, now));
    assert_checks(&first, now);
    drop(first);
    assert_checks(&second, now);
    drop(second);
    assert!(logins.state().waiting.is_empty());
}

#[test]
fn waiting_logins_are_bounded_per_address_and_in_all() {
    let (logins, now) = (logins(), Instant::now());
    let mut tickets = Vec::new();
    for from in 1..=4 {
        for number in 0..WAITING_PER_ADDRESS_MAX {
            tickets.push(wait(&logins, &format!("{number}:a"), from, now));
        }
        let refused = logins.begin(&head("more:a"), peer(from), now);
        assert!(matches!(refused, Login::Refused(RETRY_AFTER)));
    }
    let refused = logins.begin(&head("more:a"), peer(5), now);
    assert!(matches!(refused, Login::Refused(RETRY_AFTER)));
    tickets.pop();
    wait(&logins, "more:a", 5, now);
}

#[test]
fn remembered_login_passes_whatever_the_delay() {
    let (logins, now) = (logins(), Instant::now());
    let ticket = wait(&logins, "ann:secret", 1, now);
    assert_checks(&ticket, now);
    ticket.check();
    let guesses: Vec<_> = (0..7)
        .map(|guess| wait(&logins, &format!("ann:{guess}"), 1, now))
        .collect();
    assert_waits(&guesses[6], now + Duration::from_secs(14));
    let refused = logins.begin(&head("ann:more"), peer(1), now);
    assert!(matches!(refused, Login::Refused(wait) if wait > Duration::from_secs(30)));
    let passed = logins.begin(&head("ann:secret"), peer(1), now);
    assert!(matches!(passed, Login::Passed(user) if &*user == "ann"));
    // Another user, and another address, are not delayed.
    assert!(matches!(
        logins.begin(&head("bob:secret"), peer(1), now),
        Login::Waits(_)
    ));
    assert!(matches!(
        logins.begin(&head("ann:guess"), peer(2), now),
        Login::Waits(_)
    ));
}

#[test]
fn new_password_forgets_the_login_and_no_users_stay_closed() {
    let (logins, now) = (logins(), Instant::now());
    let ticket = wait(&logins, "ann:secret", 1, now);
    ticket.check();
    drop(ticket);
    let mut users = Users::new();
    users.add("ann", "other");
    logins.set_users(users);
    wait(&logins, "ann:secret", 1, now);
    logins.set_users(Users::new());
    let login = logins.begin(&head("ann:secret"), peer(1), now);
    assert!(matches!(login, Login::Waits(ticket) if ticket.check().is_none()));
    let no_credentials = Head::from_parts("GET", "/", [("Host", "localhost")]).expect("a head");
    assert!(matches!(
        logins.begin(&no_credentials, None, now),
        Login::Missing
    ));
}

#[test]
fn unchanged_user_stays_remembered_after_a_change_of_another() {
    let (logins, now) = (logins(), Instant::now());
    for credentials in ["ann:secret", "bob:secret"] {
        let ticket = wait(&logins, credentials, 1, now);
        assert!(ticket.check().is_some());
    }
    let mut users = Users::new();
    users.add("mia", "secret");
    users.add("bob", "other");
    users.add("ann", "secret");
    logins.set_users(users);
    let login = logins.begin(&head("ann:secret"), peer(1), now);
    assert!(matches!(login, Login::Passed(user) if &*user == "ann"));
    wait(&logins, "bob:secret", 1, now);
    wait(&logins, "mia:secret", 1, now);
}
