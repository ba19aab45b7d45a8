// A small roster with the headers that sales offices use. Made-up people: a region code that does not exist, phones from
// a range that is not handed out.

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/** An identity number with the right check digit (GB 11643). */
function document(n) {
  const digits = `9900001980${String((n % 12) + 1).padStart(2, "0")}01${String(n).padStart(3, "0")}`;
  const sum = [...digits].reduce((total, digit, i) => total + Number(digit) * WEIGHTS[i], 0);
  return digits + "10X98765432"[sum % 11];
}

const NAMES = ["张伟", "王芳", "李静", "刘洋", "陈晨", "杨光", "赵敏", "黄磊", "周杰", "吴倩", "欧阳慕容"];

/** People 0 and 1 share a phone: one household, two registrations. The last one's eligibility is still pending. */
export function people(count) {
  return Array.from({ length: count }, (_, n) => ({
    code: `RC${String(n + 1).padStart(5, "0")}`,
    name: NAMES[n % NAMES.length],
    phone: `199${String(n === 1 ? 0 : n).padStart(8, "0")}`,
    document: document(n),
    household: `JT${String(n === 1 ? 0 : n).padStart(5, "0")}`,
    eligibility: n === count - 1 ? "待审核" : "已通过",
  }));
}

export function roster(list) {
  const head = "认筹编号,姓名,证件类型,证件号码,手机号,家庭编号,资格审核,置业顾问,组别,可选套数,诚意金(元)";
  const rows = list.map((p) => `${p.code},${p.name},居民身份证,${p.document},${p.phone},${p.household},${p.eligibility},顾问01,普通,1,50000`);
  // One row that must be refused by name: its phone is one digit short.
  rows.push(`RC99999,错号码,居民身份证,${document(999)},1990000000,JT99999,已通过,顾问01,普通,1,50000`);
  return Buffer.from("\ufeff" + [head, ...rows].join("\r\n") + "\r\n", "utf8");
}
