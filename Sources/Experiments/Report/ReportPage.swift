/// The parts of every report page that do not depend on its contents.
enum ReportPage {
    /// Colours are defined once per theme; the script reads them for the charts.
    static let style = """
        :root{--paper:#fdfdfb;--ink:#1b1d21;--soft:#565b64;--faint:#8a8f98;--line:#e3e3de;--panel:#f4f4f0;
        --accent:#2a78d6;--good:#0b7a45;--fair:#96650a;--bad:#c0322f;--heat:#f2a33c;
        --c0:#2a78d6;--c1:#e0602a;--c2:#159a6c;--c3:#7a5bd0;--c4:#c98a00;--c5:#d1457f;--c6:#5a6472;--c7:#0d8f9f;
        --s0:#eef4fb;--s1:#9cc3f0;--s2:#2a78d6;--s3:#0d2f5c}
        @media (prefers-color-scheme:dark){:root{--paper:#15171b;--ink:#e8e8e4;--soft:#a9adb5;--faint:#7d828b;
        --line:#2b2f36;--panel:#1d2025;--accent:#6aa7f0;--good:#4fc48a;--fair:#dba63f;--bad:#f07f78;--heat:#b36a10;
        --c0:#5b9ef0;--c1:#ee8150;--c2:#3dbd8e;--c3:#a38af0;--c4:#d9a530;--c5:#ec74a5;--c6:#98a1ae;--c7:#3fb8c8;
        --s0:#1d2025;--s1:#1d4674;--s2:#4a90e2;--s3:#d4e6fb}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
        body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,
        "Helvetica Neue",Arial,sans-serif;font-feature-settings:"kern","liga"}
        header,main{max-width:60rem;margin:0 auto;padding:0 1.5rem}
        header{padding-top:3.5rem}
        .mark{margin:0 0 1.2rem;font-size:.8rem;letter-spacing:.14em;text-transform:uppercase;color:var(--accent);font-weight:600}
        h1,h2,h3{line-height:1.2;text-wrap:balance}
        h1{font-size:2.35rem;letter-spacing:-.022em;font-weight:680;margin:0 0 .6rem}
        h2{font-size:1.45rem;letter-spacing:-.012em;font-weight:650;margin:3.2rem 0 .9rem;scroll-margin-top:1rem}
        h3{font-size:1.05rem;font-weight:620;margin:2rem 0 .5rem}
        p{margin:0 0 1rem;max-width:44rem}
        .subtitle{font-size:1.15rem;color:var(--soft);line-height:1.5}
        nav{display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;margin:1.6rem 0 1.2rem;padding:.7rem 0;border-block:1px solid var(--line);
        font-size:.92rem}
        a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
        .numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:1px;margin:2rem 0;padding:0;
        background:var(--line);border:1px solid var(--line);border-radius:12px;overflow:hidden}
        .numbers>div{background:var(--paper);padding:1.1rem 1.25rem}
        .numbers dt{font-size:.86rem;color:var(--soft);line-height:1.35}
        .numbers dd{margin:.25rem 0 0;font-size:1.75rem;line-height:1.2;font-weight:640;letter-spacing:-.02em;
        font-variant-numeric:tabular-nums}
        .numbers dd.small,.small{font-size:.86rem;font-weight:400;letter-spacing:0;color:var(--faint);line-height:1.4}
        .table{overflow-x:auto;margin:1.2rem 0 1.8rem}
        table{border-collapse:collapse;width:100%;font-size:.93rem;line-height:1.45}
        caption{text-align:left;color:var(--soft);font-size:.9rem;padding-bottom:.5rem}
        th{font-weight:600;font-size:.84rem;color:var(--soft);text-align:left;vertical-align:bottom;
        border-bottom:1.5px solid var(--ink);padding:.4rem 1.1rem .4rem 0}
        td{border-bottom:1px solid var(--line);padding:.5rem 1.1rem .5rem 0;vertical-align:top}
        th:last-child,td:last-child{padding-right:0}
        .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        .verdict{font-weight:600}.verdict::before{content:"●";margin-right:.4em}
        .holds{color:var(--good)}.directionOnly{color:var(--fair)}.inconclusive{color:var(--faint)}.contradicted{color:var(--bad)}
        figure{margin:2rem 0 2.4rem}
        figure>h3{margin:0 0 .3rem}
        figcaption{color:var(--soft);font-size:.92rem;max-width:44rem;margin-top:.4rem}
        img{max-width:100%;height:auto;border-radius:6px}
        .plot{width:100%;overflow:hidden}
        .columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:0 2.5rem}
        .columns>div{min-width:0}
        details{margin:1rem 0}summary{cursor:pointer;color:var(--soft);font-size:.92rem}
        details.data{margin:.3rem 0 0}details.data .table{max-height:24rem;overflow:auto}
        details.data table{width:auto;min-width:min(100%,24rem)}
        pre{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:1rem 1.15rem;overflow-x:auto;
        font-size:.84rem;line-height:1.5}
        code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
        .note{border-left:3px solid var(--accent);background:var(--panel);padding:.7rem 1rem;border-radius:0 6px 6px 0;
        font-size:.95rem}
        .contexts{list-style:none;margin:1rem 0 1.6rem;padding:0}
        .contexts li{border-bottom:1px solid var(--line);padding:.65rem 0}
        .contexts li:first-child{border-top:1px solid var(--line)}
        .contexts p{margin:0;max-width:none;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.95rem}
        mark{color:inherit;background:color-mix(in srgb,var(--heat) var(--a),transparent);border-radius:3px;padding:.08em 0}
        .closing{margin-top:3.5rem;border-top:1px solid var(--line)}.closing h2{margin-top:1.6rem;font-size:1.1rem}
        footer{margin:1.5rem 0 4rem;font-size:.84rem;color:var(--soft)}
        footer dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.6rem 1.5rem;margin:0}
        footer dt{color:var(--faint)}footer dd{margin:0;overflow-wrap:anywhere}
        @media (max-width:36rem){body{font-size:16px}header{padding-top:2rem}h1{font-size:1.8rem}}
        @media print{:root{--paper:#fff;--ink:#000;--soft:#444;--faint:#666;--line:#ccc;--panel:#f6f6f6}
        body{font-size:10.5pt}header,main{max-width:none;padding:0}header{padding-top:0}nav,details.data,.modebar{display:none!important}
        details::details-content{content-visibility:visible;block-size:auto}
        h2{break-after:avoid}figure,tr,.numbers,.contexts li{break-inside:avoid}mark{print-color-adjust:exact;
        -webkit-print-color-adjust:exact}}
        """

    /// Draws the charts in the colours of the theme and again when the theme changes or the page is printed.
    static let script = """
        (() => {
          const figures = JSON.parse(document.getElementById("figures").textContent);
          const plots = [...document.querySelectorAll(".plot")];
          const dark = matchMedia("(prefers-color-scheme: dark)");
          const draw = () => {
            const css = getComputedStyle(document.documentElement);
            const color = name => css.getPropertyValue("--" + name).trim();
            const palette = [0, 1, 2, 3, 4, 5, 6, 7].map(i => color("c" + i));
            const axis = {
              gridcolor: color("line"), linecolor: color("faint"), zeroline: false, showline: true, ticks: "outside",
              ticklen: 4, tickcolor: color("faint"), automargin: true, color: color("soft")
            };
            for (const plot of plots) {
              const figure = figures[Number(plot.dataset.figure)];
              const data = structuredClone(figure.data);
              const overlays = figure.layout.barmode === "overlay" && data.length > 1;
              data.forEach((trace, i) => {
                const c = palette[i % palette.length];
                if (trace.type === "heatmap") {
                  trace.colorscale = [[0, color("s0")], [0.33, color("s1")], [0.67, color("s2")], [1, color("s3")]];
                  trace.colorbar = { thickness: 12, outlinewidth: 0, tickfont: { color: color("soft") } };
                } else {
                  trace.marker = { color: c, size: trace.mode === "markers" ? 6 : 7, opacity: overlays ? 0.6 : 1 };
                  if (trace.mode && trace.mode.startsWith("lines")) trace.line = { color: c, width: 2 };
                  if (trace.error_y) trace.error_y.color = trace.type === "bar" ? color("ink") : c;
                }
              });
              const layout = structuredClone(figure.layout);
              for (const key of ["xaxis", "yaxis"]) {
                layout[key] = { ...axis, ...layout[key] };
                layout[key].title = { ...layout[key].title, font: { size: 13, color: color("soft") }, standoff: 10 };
              }
              Object.assign(layout, {
                paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
                font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: color("ink") },
                margin: { l: 60, r: 16, t: 34, b: 48 }, colorway: palette,
                modebar: { bgcolor: "rgba(0,0,0,0)", color: color("line"), activecolor: color("accent") },
                legend: { orientation: "h", x: 0, xanchor: "left", y: 1, yanchor: "bottom" },
                hoverlabel: { font: { family: getComputedStyle(document.body).fontFamily } }
              });
              Plotly.react(plot, data, layout, { responsive: true, displaylogo: false,
                modeBarButtons: [["toImage", "resetScale2d"]] });
            }
          };
          draw();
          dark.addEventListener("change", draw);
          addEventListener("beforeprint", draw);
          addEventListener("afterprint", draw);
          for (const details of document.querySelectorAll("details"))
            details.addEventListener("toggle", () => {
              for (const plot of details.querySelectorAll(".plot")) Plotly.Plots.resize(plot);
            });
        })();
        """
}
