//! A price list and a roster for a load test, as CSV: homes of no building, people who do not exist. Their phones' network
//! code is handed out to no operator, and no passport has so long a number.

use std::fmt::Write;
use std::io;
use std::path::Path;

/// Homes on a floor, floors of a building.
const ON_A_FLOOR: u32 = 4;
const FLOORS: u32 = 25;

/// Writes `price-list.csv` and `roster.csv`.
pub fn write(folder: &Path, units: u32, registrations: u32) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("price-list.csv"), price_list(units))?;
    std::fs::write(folder.join("roster.csv"), roster(registrations))
}

fn price_list(units: u32) -> String {
    let mut csv = String::from(
        "幢号,单元,室号,楼层,户型,朝向,建筑面积(㎡),套内建筑面积(㎡),单价(元/㎡),总价(元),备注\n",
    );
    for unit in 0..units {
        let building = unit / (ON_A_FLOOR * FLOORS) + 1;
        let (floor, room) = (unit / ON_A_FLOOR % FLOORS + 1, unit % ON_A_FLOOR + 1);
        let facing = if room <= 2 { "南" } else { "北" };
        // Writing to a String does not fail.
        let _ = writeln!(
            csv,
            "{building}#,1单元,{floor}{room:02},{floor},3室2厅2卫,{facing},100.00,80.00,20000,2000000,模拟"
        );
    }
    csv
}

fn roster(registrations: u32) -> String {
    let mut csv = String::from(
        "认筹编号,姓名,证件类型,证件号码,手机号,家庭编号,资格审核,置业顾问,组别,可选套数,诚意金(元)\n",
    );
    for number in 1..=registrations {
        let _ = writeln!(
            csv,
            "R{number:05},模拟买家{number:05},护照,SIMULATED{number:05},164{number:08},JT{number:05},已通过,顾问01,模拟,1,0"
        );
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_another_home_or_another_person() {
        for (csv, rows, keys) in [(price_list(1_000), 1_000, 0..3), (roster(10_000), 10_000, 3..4)] {
            let key = |line: &str| line.split(',').collect::<Vec<_>>()[keys.clone()].join(",");
            let seen: std::collections::HashSet<_> = csv.lines().skip(1).map(key).collect();
            assert_eq!(seen.len(), rows);
            let fields = |line: &str| line.split(',').count();
            assert!(csv.lines().all(|line| fields(line) == 11), "no comma inside a field");
        }
    }
}
