//! Who may do what, as data. The doors ask for a right; nothing asks for a role.

use crate::domain::kind::names;

names!(
    /// What a member of staff is.
    Role {
        Admin = "admin",
        Manager = "manager",
        Cashier = "cashier",
        Auditor = "auditor",
        Crowd = "crowd",
    }
);

names!(
    /// What a route asks for.
    Right {
        Staff = "staff",
        Prepare = "prepare",
        View = "view",
        People = "people",
        Control = "control",
        Cashier = "cashier",
        Export = "export",
        Outbox = "outbox",
        Audit = "audit",
        Rehearse = "rehearse",
    }
);

/// The matrix. Whoever may end a sale may rehearse one. An auditor changes nothing; only an admin reads sign-in codes or makes accounts; the demo's crowd reads
/// codes and takes payments and sees nothing else.
const MATRIX: &[(Role, &[Right])] = &[
    (Role::Admin, Right::ALL),
    (
        Role::Manager,
        &[Right::View, Right::People, Right::Control, Right::Cashier, Right::Export, Right::Rehearse],
    ),
    (Role::Cashier, &[Right::View, Right::Cashier]),
    (Role::Auditor, &[Right::View, Right::People, Right::Export, Right::Audit]),
    (Role::Crowd, &[Right::Cashier, Right::Outbox]),
];

impl Role {
    pub fn rights(self) -> &'static [Right] {
        MATRIX.iter().find(|(role, _)| *role == self).map_or(&[], |(_, rights)| rights)
    }

    pub fn may(self, right: Right) -> bool {
        self.rights().contains(&right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CO-5: every role against every right, written out a second time so that no change of the matrix goes unseen.
    /// Mutation caught: `export` given to the cashier.
    #[test]
    fn the_matrix_is_what_the_office_agreed_to() {
        let expected = "
                     staff prepare view people control cashier export outbox audit rehearse
            admin      x      x     x     x       x       x      x      x     x      x
            manager    .      .     x     x       x       x      x      .     .      x
            cashier    .      .     x     .       .       x      .      .     .      .
            auditor    .      .     x     x       .       .      x      .     x      .
            crowd      .      .     .     .       .       x      .      x     .      .
        ";
        let mut lines = expected.lines().map(str::split_whitespace).filter(|words| words.clone().count() > 0);
        let rights: Vec<_> = lines.next().unwrap().map(|name| Right::from_name(name).unwrap()).collect();
        assert_eq!(rights, Right::ALL);
        let mut roles = Vec::new();
        for mut line in lines {
            let role = Role::from_name(line.next().unwrap()).unwrap();
            for (right, mark) in rights.iter().zip(line.by_ref()) {
                assert_eq!(role.may(*right), mark == "x", "{} {}", role.as_str(), right.as_str());
            }
            roles.push(role);
        }
        assert_eq!(roles, Role::ALL);
    }

    #[test]
    fn nobody_who_only_reads_may_change_anything() {
        let changes = [Right::Staff, Right::Prepare, Right::Control, Right::Cashier, Right::Rehearse];
        assert!(changes.iter().all(|right| !Role::Auditor.may(*right)));
    }
}
