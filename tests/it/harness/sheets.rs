//! Small spreadsheets with the headers that sales offices use, made up row by row.

use std::fmt::Write;

/// A price list of homes, a hundred to a building. Unit `n` is row `n`, as the board counts.
pub fn price_list(homes: usize) -> Vec<u8> {
    let mut csv = String::from(
        "幢号,单元,室号,楼层,户型,朝向,建筑面积(㎡),套内建筑面积(㎡),单价(元/㎡),总价(元),备注\n",
    );
    for home in 0..homes {
        let (building, floor, room) = (home / 100 + 1, home % 100 / 4 + 1, home % 4 + 1);
        writeln!(csv, "{building}#,1单元,{floor}0{room},{floor},3室2厅2卫,南,100.00,80.00,20000,2000000,")
            .unwrap();
    }
    csv.into_bytes()
}

/// A buyer as the roster lists them.
#[derive(Debug, Clone)]
pub struct Person {
    pub code: String,
    pub phone: String,
    pub document: String,
    pub household: String,
    pub eligibility: &'static str,
}

/// Made-up people: a region code that does not exist, phones from a range that is not handed out.
pub fn people(count: usize) -> Vec<Person> {
    (0..count)
        .map(|n| Person {
            code: format!("RC{:05}", n + 1),
            phone: format!("199{n:08}"),
            document: document(n),
            household: format!("JT{n:05}"),
            eligibility: "已通过",
        })
        .collect()
}

/// An identity number with the right check digit (GB 11643).
fn document(n: usize) -> String {
    const WEIGHTS: [usize; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let digits = format!("990000{:04}{:02}01{:03}", 1950 + n / 12_000 % 50, n / 1000 % 12 + 1, n % 1000);
    let sum: usize =
        digits.bytes().zip(WEIGHTS).map(|(digit, weight)| usize::from(digit - b'0') * weight).sum();
    format!("{digits}{}", char::from(CHECKS[sum % 11]))
}

/// A roster of these people.
pub fn roster(people: &[Person], homes_each: u32) -> Vec<u8> {
    let mut csv = String::from(
        "认筹编号,姓名,证件类型,证件号码,手机号,家庭编号,资格审核,置业顾问,组别,可选套数,诚意金(元)\n",
    );
    for Person { code, phone, document, household, eligibility } in people {
        writeln!(
            csv,
            "{code},购房人{code},居民身份证,{document},{phone},{household},{eligibility},顾问01,普通,{homes_each},50000"
        )
        .unwrap();
    }
    csv.into_bytes()
}
