//! How people name a unit.

/// As it is said and printed: `1#-1单元-1203`, `B1-001`.
pub fn unit_label(building: &str, section: &str, room: &str) -> String {
    let parts: Vec<&str> = [building, section, room].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("-")
}
