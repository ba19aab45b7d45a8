// Prints every query of the Grafana dashboards as a Prometheus rule file, so that promtool can parse them:
//   node scripts/dashboard-queries.mjs deploy/grafana/dashboards/*.json
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** Grafana's variables, as it would fill them in. */
const filled = (query) =>
  query.replaceAll('$__rate_interval', '1m').replaceAll('$opening', '.*').replaceAll('$instance', '.*')

const rules = []
for (const file of process.argv.slice(2)) {
  const { panels } = JSON.parse(readFileSync(file, 'utf8'))
  for (const [number, { expr }] of panels.flatMap((panel) => panel.targets ?? []).entries()) {
    const query = filled(expr)
    if (query.includes('$')) throw new Error(`${file}: a variable that nobody fills in: ${expr}`)
    const name = `query:${basename(file, '.json').replaceAll('-', '_')}:${number}`
    rules.push({ record: name, expr: query })
  }
}
if (rules.length === 0) throw new Error('no queries were found')
// JSON is YAML.
console.log(JSON.stringify({ groups: [{ name: 'dashboards', rules }] }))
