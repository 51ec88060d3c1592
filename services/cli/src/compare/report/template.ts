/** The report as an eta template: values are escaped unless written with <%~ %>. */
export const TEMPLATE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Outsock: <%= it.title %></title>
<style>
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 28px 24px 60px; background: #fff; color: #1c1c1c;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 38px 0 10px; padding-top: 14px; border-top: 1px solid #ddd; }
h3 { font-size: 15px; margin: 0; }
p { margin: 8px 0; max-width: 78ch; }
.sub, .caption, .small { color: #555; }
.small { font-size: 13px; }
.warn { background: #fff4e0; border-left: 4px solid #e07b00; padding: 8px 14px; margin: 14px 0; }
.cards { display: flex; flex-wrap: wrap; gap: 14px; margin: 20px 0 6px; }
.card { flex: 1 1 200px; border: 1px solid #ddd; border-radius: 8px; padding: 12px 16px; }
.card b { display: block; font-size: 26px; line-height: 1.2; }
.card span { display: block; color: #555; font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { padding: 5px 9px; text-align: right; border-bottom: 1px solid #e6e6e6; white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; white-space: normal; }
th.wide { white-space: nowrap; }
td.better, td.worse, td.same { text-align: left; }
thead th { border-bottom: 2px solid #bbb; }
th:first-child, td:first-child { text-align: left; }
th.group { text-align: center; } .first, th.group { padding-left: 26px; }
td.better { color: #00704c; } td.worse { color: #b3261e; } td.same { color: #555; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 28px; }
.plots figure:last-child { grid-column: 1 / -1; }
figure { margin: 0; min-width: 0; }
figcaption { margin-bottom: 8px; }
figure svg { width: 100%; height: auto; max-height: 900px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 8px 0; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace;
  background: #f4f4f4; padding: 1px 5px; border-radius: 4px; }
ul { padding-left: 20px; margin: 8px 0; } li { max-width: 84ch; margin: 4px 0; }
@media print { h2 { break-after: avoid; } figure { break-inside: avoid; } }
</style>
</head>
<body>
<h1><%= it.title %></h1>
<p class="sub"><%= it.subtitle %></p>
<% for (const warning of it.warnings) { %><p class="warn"><%= warning %></p>
<% } %>
<% if (it.cards.length > 0) { %><div class="cards">
<% for (const card of it.cards) { %><div class="card"><span><%= card.title %></span><b><%= card.value %></b><span><%= card.detail %></span></div>
<% } %></div><% } %>

<h2>Result</h2>
<div class="scroll"><table>
<thead><tr><th>median of the repeats</th><% for (const mode of it.modes) { %><th class="wide"><i class="dot" style="background:<%= mode.colour %>"></i><%= mode.name %></th><% } %><% for (const title of it.ratioTitles) { %><th class="wide"><%= title %></th><th class="wide">95 % interval</th><th></th><% } %></tr></thead>
<tbody>
<% for (const row of it.rows) { %><tr><td><%= row.label %> <span class="small"><%= row.unit %></span></td><% for (const value of row.values) { %><td><%= value %></td><% } %><% for (const ratio of row.ratios) { %><td><%= ratio.ratio %></td><td><%= ratio.interval %></td><td class="<%= ratio.className %>"><%= ratio.verdict %></td><% } %></tr>
<% } %></tbody></table></div>
<% if (it.ratioNote !== "") { %><p class="small"><%= it.ratioNote %></p><% } %>

<h2>Plots</h2>
<div class="plots">
<% for (const plot of it.plots) { %><figure><figcaption><h3><%= plot.title %></h3><span class="caption small"><%= plot.caption %></span></figcaption><%~ plot.svg %></figure>
<% } %></div>

<h2>Each interaction</h2>
<p class="small">Counts over all repeats; times in ms, medians over the repeats of each repeat's percentile. Rare interactions have few samples: look at the count before the time.</p>
<div class="scroll"><table>
<thead><tr><th rowspan="2">interaction</th><th rowspan="2">share</th><% for (const mode of it.modes) { %><th colspan="5" class="group"><i class="dot" style="background:<%= mode.colour %>"></i><%= mode.name %></th><% } %><% for (const title of it.ratioTitles) { %><th rowspan="2" class="first">p50<br><%= title %></th><% } %></tr>
<tr><% for (const mode of it.modes) { %><th class="first">count</th><th>errors</th><th>p50</th><th>p95</th><th>p99</th><% } %></tr></thead>
<tbody>
<% for (const row of it.interactions) { %><tr><td><%= row.state %></td><% for (const cell of row.cells) { %><td><%= cell %></td><% } %></tr>
<% } %></tbody></table></div>

<h2>Each repeat</h2>
<div class="scroll"><table>
<thead><tr><th>started</th><th>mode</th><th>repeat</th><th>interactions/s</th><th>p50 ms</th><th>p95 ms</th><th>p99 ms</th><th>errors</th><th>&quot;Sorry&quot;</th><th>boot s</th><th>machine busy</th><th>of it by others</th><th>generator CPU, ms/int.</th></tr></thead>
<tbody>
<% for (const row of it.repeats) { %><tr><% for (const cell of row) { %><td><%= cell %></td><% } %></tr>
<% } %></tbody></table></div>

<h2>How it was measured</h2>
<dl>
<% for (const [name, value] of it.facts) { %><dt><%= name %></dt><dd><%= value %></dd>
<% } %><dt>Command</dt><dd><code><%= it.command %></code></dd>
</dl>
<ul>
<% for (const note of it.notes) { %><li><%= note %></li>
<% } %></ul>

<h2>What each number means</h2>
<dl>
<% for (const [name, value] of it.meanings) { %><dt><%= name %></dt><dd><%= value %></dd>
<% } %></dl>
</body>
</html>
`;
