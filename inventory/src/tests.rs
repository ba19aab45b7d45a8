//! Gate 1 on one thread, as tables: one line an operation and what it answers. What several threads may do
//! to each other is `loom_tests.rs`; long random sequences are `tests/model.rs`.

use std::collections::HashMap;

use crate::{HOLDERS_MAX, Inventory, NO_LIMIT, Pick, Quota, Settled, Ticket, TooMany, UNITS_MAX, UnitState};

const CLASS: u8 = 0;

/// Runs a table on an inventory of 4 units and 4 holders, of one class and limit 1 unless a line says so.
/// Each line is `operation = answer`; `pick UNIT OWNER HOLDER…` that wins names its ticket.
fn check(table: &str) {
    let inventory = Inventory::new(1);
    inventory.grow_units(4).unwrap();
    inventory.grow_holders(4).unwrap();
    (0..4).for_each(|holder| inventory.set_limit(holder, CLASS, 1));
    let mut tickets = HashMap::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (operation, expected) = line.split_once(" = ").unwrap_or((line, ""));
        let words: Vec<&str> = operation.split_whitespace().collect();
        let answer = run(&inventory, &mut tickets, &words, expected.trim());
        assert_eq!(answer, expected.trim(), "in the line: {line}");
    }
}

fn run(
    inventory: &Inventory,
    tickets: &mut HashMap<String, Ticket>,
    words: &[&str],
    expected: &str,
) -> String {
    let number = |index: usize| words[index].parse::<u32>().unwrap();
    let said = |before: Option<UnitState>| before.map_or("unknown unit".into(), unit);
    match words[0] {
        "pick" => {
            let holders: Vec<u32> = words[3..].iter().map(|word| word.parse().unwrap()).collect();
            match inventory.pick(number(1), number(2), CLASS, &holders) {
                Pick::Won(ticket) => {
                    assert_eq!((ticket.unit(), ticket.owner()), (number(1), number(2)));
                    let name = expected.strip_prefix("won ").unwrap_or("unexpectedly");
                    tickets.insert(name.into(), ticket);
                    format!("won {name}")
                }
                Pick::Mine => "mine".into(),
                Pick::MinePending => "mine pending".into(),
                Pick::Taken { owner } => format!("taken {owner}"),
                Pick::Pending => "pending".into(),
                Pick::Withheld => "withheld".into(),
                Pick::QuotaUsed { holder_index } => format!("quota used, holder {holder_index}"),
                Pick::QuotaPending { holder_index } => format!("quota pending, holder {holder_index}"),
                Pick::UnknownUnit => "unknown unit".into(),
                Pick::UnknownHolder => "unknown holder".into(),
            }
        }
        "confirm" => settled(inventory.confirm(tickets.remove(words[1]).unwrap())),
        "undo" => settled(inventory.undo(tickets.remove(words[1]).unwrap())),
        "occupy" => said(inventory.occupy(number(1), number(2))),
        "withhold" => said(inventory.withhold(number(1))),
        "free" => said(inventory.free(number(1))),
        "unit" => unit(inventory.state(number(1))),
        "limit" => {
            inventory.set_limit(number(1), CLASS, words[2].parse().unwrap_or(NO_LIMIT));
            String::new()
        }
        "use" => {
            inventory.use_place(number(1), CLASS);
            String::new()
        }
        "unuse" => {
            inventory.free_place(number(1), CLASS);
            String::new()
        }
        "quota" => {
            let Quota { limit, pending, used } = inventory.quota(number(1), CLASS);
            format!("{used} used {pending} pending of {limit}")
        }
        other => panic!("no such operation: {other}"),
    }
}

fn unit(state: UnitState) -> String {
    match state {
        UnitState::Free => "free".into(),
        UnitState::Pending { owner } => format!("pending {owner}"),
        UnitState::Occupied { owner } => format!("occupied {owner}"),
        UnitState::Withheld => "withheld".into(),
    }
}

fn settled(settled: Settled) -> String {
    match settled {
        Settled::Done => "done".into(),
        Settled::Overruled => "overruled".into(),
    }
}

/// OP-42: one unit, one winner. OP-48: each loser hears why.
#[test]
fn a_pick_waits_for_the_database_and_then_is_somebodys() {
    check(
        "pick 0 7 0     = won a
         unit 0         = pending 7
         quota 0        = 0 used 1 pending of 1
         pick 0 7 0     = mine pending
         pick 0 8 1     = pending
         quota 1        = 0 used 0 pending of 1
         confirm a      = done
         unit 0         = occupied 7
         quota 0        = 1 used 0 pending of 1
         pick 0 7 0     = mine
         pick 0 8 1     = taken 7",
    );
}

#[test]
fn an_undone_pick_leaves_no_trace() {
    check(
        "pick 0 7 0 2   = won a
         undo a         = done
         unit 0         = free
         quota 0        = 0 used 0 pending of 1
         quota 2        = 0 used 0 pending of 1
         pick 0 8 1     = won b
         confirm b      = done",
    );
}

/// OP-15, OP-43: the unit and the buyer's places, of the registration and of its household.
#[test]
fn places_are_counted_for_the_registration_and_for_its_household() {
    check(
        "pick 0 7 0 2   = won a
         pick 1 7 0 2   = quota pending, holder 0
         pick 1 8 1 2   = quota pending, holder 1
         quota 1        = 0 used 0 pending of 1
         confirm a      = done
         pick 1 7 0 2   = quota used, holder 0
         pick 1 8 1 2   = quota used, holder 1
         quota 1        = 0 used 0 pending of 1
         limit 2 2
         pick 1 8 1 2   = won b
         quota 2        = 1 used 1 pending of 2",
    );
}

#[test]
fn the_unit_is_looked_at_before_the_quota() {
    check(
        "use 0
         occupy 0 7     = free
         pick 0 7 0     = mine
         occupy 1 8     = free
         pick 1 7 0     = taken 8
         withhold 2     = free
         pick 2 7 0     = withheld
         pick 3 7 0     = quota used, holder 0",
    );
}

#[test]
fn a_limit_may_be_none_may_rise_and_may_fall_below_what_is_used() {
    check(
        "limit 0 none
         pick 0 7 0     = won a
         pick 1 7 0     = won b
         confirm a      = done
         confirm b      = done
         quota 0        = 2 used 0 pending of 65535
         limit 0 1
         pick 2 7 0     = quota used, holder 0
         unuse 0
         pick 2 7 0     = quota used, holder 0
         unuse 0
         pick 2 7 0     = won c
         limit 0 0
         pick 3 7 0     = quota used, holder 0
         undo c         = done",
    );
}

#[test]
fn what_does_not_exist_is_refused_and_takes_nothing() {
    check(
        "pick 4 7 0     = unknown unit
         pick 0 7 4     = unknown holder
         pick 0 7 1 4   = unknown holder
         quota 1        = 0 used 0 pending of 1
         pick 0 7       = unknown holder
         pick 0 7 1 2 3 = unknown holder
         unit 0         = free
         unit 4         = withheld
         occupy 4 7     = unknown unit
         quota 4        = 0 used 0 pending of 0",
    );
}

/// The database decides: its word stands whatever a ticket thinks.
#[test]
fn a_ticket_never_overwrites_the_databases_word() {
    check(
        "pick 0 7 0     = won undone-after-other
         occupy 0 8     = pending 7
         undo undone-after-other = overruled
         unit 0         = occupied 8
         quota 0        = 0 used 0 pending of 1

         pick 1 7 0     = won confirmed-after-other
         occupy 1 8     = pending 7
         confirm confirmed-after-other = overruled
         unit 1         = occupied 8
         quota 0        = 1 used 0 pending of 1
         unuse 0

         pick 2 7 0     = won undone-after-mine
         occupy 2 7     = pending 7
         use 0
         undo undone-after-mine = overruled
         unit 2         = occupied 7
         quota 0        = 1 used 0 pending of 1
         unuse 0

         pick 3 7 0     = won withheld-meanwhile
         withhold 3     = pending 7
         undo withheld-meanwhile = overruled
         unit 3         = withheld",
    );
}

/// A claim that ended before this process got round to confirming it: both orders end the same.
#[test]
fn a_release_may_overtake_the_confirm() {
    check(
        "pick 0 7 0     = won a
         unuse 0
         free 0         = pending 7
         confirm a      = overruled
         unit 0         = free
         quota 0        = 0 used 0 pending of 1

         pick 0 7 0     = won b
         confirm b      = done
         unuse 0
         free 0         = occupied 7
         unit 0         = free
         quota 0        = 0 used 0 pending of 1",
    );
}

/// With the generation left out of the word this ended in `free`: the second pick of 7 lost its unit to the
/// undo of the first (mutation: `next` keeps the generation).
#[test]
fn an_old_ticket_does_not_touch_the_same_owners_new_pick() {
    check(
        "limit 0 2
         pick 0 7 0     = won old
         free 0         = pending 7
         pick 0 7 0     = won new
         undo old       = overruled
         unit 0         = pending 7
         confirm new    = done",
    );
}

#[test]
fn recovery_fills_the_words_and_frees_them_again() {
    check(
        "occupy 0 7     = free
         use 0
         use 2
         withhold 1     = free
         pick 0 8 1     = taken 7
         pick 2 7 0     = quota used, holder 0
         unuse 0
         unuse 2
         free 0         = occupied 7
         free 1         = withheld
         pick 0 8 1     = won a
         pick 1 7 0     = won b",
    );
}

/// A wrapped count would read as sixteen million places used, and refuse the buyer for good.
#[test]
fn a_place_freed_once_too_often_stops_at_zero() {
    check(
        "unuse 0
         quota 0        = 0 used 0 pending of 1
         use 0
         unuse 0
         unuse 0
         quota 0        = 0 used 0 pending of 1
         pick 0 7 0     = won a",
    );
}

#[test]
fn classes_have_places_of_their_own() {
    let inventory = Inventory::new(2);
    inventory.grow_units(3).unwrap();
    inventory.grow_holders(2).unwrap();
    inventory.set_limit(0, 0, 1);
    inventory.set_limit(0, 1, 1);
    let _home = inventory.pick(0, 7, 0, &[0]);
    assert_eq!(inventory.pick(1, 7, 0, &[0]), Pick::QuotaPending { holder_index: 0 });
    assert!(matches!(inventory.pick(1, 7, 1, &[0]), Pick::Won(_)));
    assert_eq!(inventory.pick(2, 7, 2, &[0]), Pick::UnknownHolder);
    assert_eq!(inventory.quota(1, 0), Quota::default(), "a neighbour's places are untouched");
}

#[test]
fn a_holder_without_a_limit_set_may_take_nothing() {
    let inventory = Inventory::new(1);
    inventory.grow_units(1).unwrap();
    inventory.grow_holders(1).unwrap();
    assert_eq!(inventory.pick(0, 7, CLASS, &[0]), Pick::QuotaUsed { holder_index: 0 });
}

#[test]
fn growth_keeps_what_is_there_and_is_bounded() {
    let inventory = Inventory::new(1);
    assert_eq!(inventory.pick(0, 7, CLASS, &[0]), Pick::UnknownUnit);
    inventory.grow_units(1).unwrap();
    inventory.occupy(0, 7);
    for total in [1, 300, 0, UNITS_MAX] {
        inventory.grow_units(total).unwrap();
        assert_eq!(inventory.state(0), UnitState::Occupied { owner: 7 });
    }
    assert_eq!(inventory.units(), UNITS_MAX);
    assert_eq!(inventory.state(UNITS_MAX - 1), UnitState::Free);
    assert_eq!(inventory.grow_units(UNITS_MAX + 1), Err(TooMany { asked: UNITS_MAX + 1, max: UNITS_MAX }));
    assert_eq!(inventory.units(), UNITS_MAX);
    assert!(inventory.grow_holders(HOLDERS_MAX + 1).is_err());
}
