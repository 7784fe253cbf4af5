
// The plots of a load test. uPlot precedes this code in the same script; the block separates the names of the two.
{

const report = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["#1f6feb", "#1a7f37", "#bc4c00", "#8250df", "#cf222e"];
const WIDTH = Math.min(980, document.body.clientWidth);
const sync = uPlot.sync("time");

function figure(title, options, data) {
  const place = document.createElement("div");
  document.getElementById("plots").append(place);
  return new uPlot({ title, width: WIDTH, height: 240, ...options }, data, place);
}

function lines(title, rows, names, log = false) {
  if (!rows.length) return;
  const series = names.map(([, label], index) => ({ label, stroke: COLOURS[index], width: 1.5, spanGaps: true }));
  // A logarithmic axis cannot show 0.
  const value = (found) => (log && !(found > 0) ? null : (found ?? null));
  const data = [rows.map((row) => row.at), ...names.map(([name]) => rows.map((row) => value(row[name])))];
  const y = log ? { distr: 3 } : { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 0) * 1.05)] };
  const axes = [{ values: (_plot, ticks) => ticks.map((tick) => `${tick} s`) }, { size: 70 }];
  figure(title, {
    series: [{ label: "second" }, ...series], axes, scales: { x: { time: false }, y }, cursor: { sync: { key: sync.key } },
  }, data);
}

function histogram(title, buckets) {
  if (!buckets.length) return;
  const label = (index) => (buckets[index] ? `${+buckets[index][0].toPrecision(3)}` : "");
  figure(title, {
    scales: { x: { time: false, range: [-1, buckets.length] }, y: { range: (_plot, _low, high) => [0, high * 1.05] } },
    series: [
      { label: "below ms", value: (_plot, index) => label(index) },
      { label: "messages", stroke: COLOURS[0], fill: "#1f6feb55", paths: uPlot.paths.bars({ size: [0.9] }), points: { show: false } },
    ],
    axes: [{ incrs: [1, 2, 4, 8], values: (_plot, ticks) => ticks.map(label) }, { size: 70 }],
  }, [buckets.map((_bucket, index) => index), buckets.map(([, count]) => count)]);
}

const rows = report.seconds;
lines("Messages a second", rows, [["asked", "asked"], ["sent", "sent"], ["acks", "acknowledged"], ["deliveries", "delivered"]]);
lines("Ack latency, ms", rows, [["ack_p50", "p50"], ["ack_p99", "p99"], ["ack_max", "max"]], true);
lines("Delivery latency, ms", rows, [["delivery_p50", "p50"], ["delivery_p99", "p99"], ["delivery_max", "max"]], true);
lines("Errors a second", rows, [["errors", "errors"]]);
lines("Connections", rows, [["connected", "connected"]]);
lines("The load client: share of a core", rows, [["client_cpu", "CPU"]]);
lines("The load client: lateness, ms", rows, [["late_p99", "p99"], ["late_max", "max"]], true);
histogram("Acks by latency (upper bounds, ms)", report.histogram.ack);
histogram("Deliveries by latency (upper bounds, ms)", report.histogram.delivery);
for (const [node, seen] of Object.entries(report.nodes.rows ?? {})) {
  lines(`${node}: share of a core`, seen, [["cpu", "CPU"]]);
  lines(`${node}: memory, MiB`, seen, [["memory_mib", "memory"]]);
}
document.body.dataset.drawn = "yes";
}
