// How the page of a quality report looks and what it does when it is clicked: it needs nothing from anywhere else.
#pragma once

#include <string_view>

namespace convert_to_quant::page {

/// The style sheet. Colours follow the reader's choice of light or dark.
inline constexpr std::string_view quality_style = R"css(
  :root {
    color-scheme: light dark;
    --page: #ffffff; --ink: #1b1e22; --soft: #59616c; --rule: #dde0e5; --shade: #f4f5f7; --link: #1c5cb0; --bad: #b3261e;
    --c0: #2166ac; --c1: #c4560a; --c2: #1b7a48; --c3: #8a3ea6; --c4: #876800; --c5: #0c7682;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --page: #15171a; --ink: #e4e7eb; --soft: #a3abb6; --rule: #33383f; --shade: #1e2125; --link: #82b4ff; --bad: #ff8f85;
      --c0: #6aaef5; --c1: #f79a55; --c2: #62cb92; --c3: #d29ceb; --c4: #dcc060; --c5: #5cccd6;
    }
  }
  * { box-sizing: border-box; }
  body {
    margin: 0 auto; padding: 20px 24px 48px; max-width: 1480px; background: var(--page); color: var(--ink);
    font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums;
  }
  h1 { font-size: 20px; font-weight: 600; margin: 0; overflow-wrap: anywhere; }
  h2 { font-size: 15px; font-weight: 600; margin: 0 0 6px; }
  p { margin: 4px 0; }
  a { color: var(--link); text-decoration: none; }
  a:hover { text-decoration: underline; }
  .soft { color: var(--soft); }
  .bad { color: var(--bad); }
  .name { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
  :focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }

  .facts {
    display: flex; flex-wrap: wrap; gap: 10px 36px; margin: 14px 0 16px; padding: 12px 0;
    border: solid var(--rule); border-width: 1px 0;
  }
  .facts dt { color: var(--soft); font-size: 12.5px; }
  .facts dd { margin: 0; font-size: 18px; }
  .facts dd small { font-size: 12.5px; color: var(--soft); }

  .first { display: grid; gap: 20px 40px; grid-template-columns: minmax(0, 1fr); margin-bottom: 24px; }
  .first > div { min-width: 0; }
  .first:not(.two) > div { max-width: 820px; }
  @media (min-width: 900px) { .first.two { grid-template-columns: minmax(0, 6fr) minmax(0, 4fr); } }
  .first > .list { max-height: 330px; overflow: auto; }

  table { border-collapse: collapse; }
  th, td { padding: 3px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
  th { font-weight: 500; color: var(--soft); font-size: 12.5px; vertical-align: bottom; }
  th.name { font-family: inherit; }
  td.name, th.name { text-align: left; white-space: normal; overflow-wrap: anywhere; }
  td.word, th.word { text-align: left; }
  td:first-child, th:first-child { padding-left: 0; }
  .first table { width: 100%; }
  .first th { white-space: normal; width: 96px; }
  .first th.name { width: auto; }
  .warnings { margin-bottom: 20px; }

  .plots { display: grid; gap: 20px 40px; grid-template-columns: minmax(0, 1fr); margin-bottom: 28px; }
  @media (min-width: 900px) {
    .plots { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
    .plots .wide { grid-column: 1 / -1; }
  }
  figure { margin: 0; }
  figcaption { display: flex; flex-wrap: wrap; gap: 2px 20px; margin-bottom: 6px; }
  figcaption b { font-weight: 600; }
  .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0; padding: 0; list-style: none; color: var(--soft); }
  .legend svg { margin-right: 5px; vertical-align: -1px; overflow: visible; }
  .plot { padding: 2px 14px 0 52px; }
  .plot svg { display: block; overflow: visible; }
  .plot text { fill: var(--soft); font-size: 12px; }
  .plot text.end { text-anchor: end; }
  .plot text.middle { text-anchor: middle; }
  .plot text.limit { fill: var(--bad); stroke: none; }
  .grid { stroke: var(--rule); }
  .axis, .tick { stroke: var(--soft); }
  .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
  .stem { stroke: var(--soft); opacity: 0.5; }
  .m { r: 3.5px; width: 6.5px; height: 6.5px; fill: var(--c); stroke: var(--c); stroke-width: 1.3px; transform-box: fill-box; }
  .many .m { r: 2.2px; width: 4px; height: 4px; stroke-width: 0.8px; fill-opacity: 0.6; }
  .plot .m { cursor: pointer; }
  .m:hover { stroke: var(--ink); stroke-width: 2.5px; }
  .square { transform: translate(-50%, -50%); }
  .diamond { transform: translate(-50%, -50%) rotate(45deg); transform-origin: center; }
  .m.hollow { fill: var(--page); }
  .c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); }
  .c3 { --c: var(--c3); } .c4 { --c: var(--c4); } .c5 { --c: var(--c5); }
  .bars rect { fill: var(--c0); stroke: var(--page); stroke-width: 1.5px; }

  .head { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: baseline; margin-bottom: 6px; }
  .head h2 { margin: 0; }
  input {
    font: inherit; color: var(--ink); background: var(--page); border: 1px solid var(--soft); border-radius: 3px;
    padding: 3px 8px; margin-left: 4px; width: 240px; max-width: 60vw;
  }
  .scroll { overflow: auto; max-height: 86vh; border: solid var(--rule); border-width: 1px 0; margin-bottom: 28px; }
  .scroll thead th { position: sticky; top: 0; background: var(--page); z-index: 1; padding-top: 6px; }
  .scroll .name { position: sticky; left: 0; background: var(--page); min-width: min(400px, 32vw); padding-left: 4px; }
  .scroll thead .name { z-index: 2; }
  .scroll tbody tr:hover td { background: var(--shade); }
  .scroll tr:target td { background: var(--shade); box-shadow: inset 0 2px var(--link), inset 0 -2px var(--link); }
  tbody tr { scroll-margin: 72px 0 24px; }
  th button {
    font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit;
    white-space: normal;
  }
  th button:hover { color: var(--ink); }
  th[aria-sort] button { color: var(--ink); font-weight: 600; }
  th[aria-sort=ascending] button::after { content: " \2191"; }
  th[aria-sort=descending] button::after { content: " \2193"; }

  .run { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 20px; margin: 0 0 20px; }
  .run dt { color: var(--soft); }
  .run dd { margin: 0; overflow-wrap: anywhere; }
  @media (max-width: 600px) {
    body { padding: 14px 12px 32px; }
    .facts { gap: 8px 24px; }
    .plot { padding: 2px 6px 0 44px; }
    .scroll .name { min-width: 150px; }
    .first th { width: 62px; }
    .first th, .first td { padding: 3px 0 3px 6px; }
    .first th:first-child, .first td:first-child { padding-left: 0; }
    .first .name { font-size: 11.5px; }
    .run { grid-template-columns: minmax(0, 1fr); gap: 0; }
    .run dd { margin-bottom: 6px; }
  }
  @media print { .scroll, .first > .list { max-height: none; overflow: visible; } }
)css";

/// The script: it sorts the table as the address says (`#sort=sqnr_db`, `#sort=-sqnr_db`), which is all that a click on a header
/// changes; it filters names, and leads from a mark of a plot to its row. The page is complete without it.
inline constexpr std::string_view quality_script = R"js(
  (() => {
    'use strict';
    const table = document.getElementById('layers');
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const text = new Intl.Collator(undefined, {numeric: true});

    function sort(key, falling) {
      const column = heads.findIndex(head => head.dataset.key === key || head.dataset.key === key + '_db');
      if (column < 0) return;
      const numeric = !heads[column].classList.contains('word') && !heads[column].classList.contains('name');
      const sign = falling ? -1 : 1;
      const keyed = rows.map(row => {
        const value = row.cells[column].dataset.value;
        return {row, value: value === undefined || !numeric ? value : Number(value)};
      });
      keyed.sort((a, b) => {
        if (a.value === undefined || b.value === undefined) return (a.value === undefined) - (b.value === undefined);
        if (a.value === b.value) return 0;
        return sign * (numeric ? (a.value < b.value ? -1 : 1) : text.compare(a.value, b.value));
      });
      body.append(...keyed.map(entry => entry.row));
      for (const head of heads) head.removeAttribute('aria-sort');
      heads[column].setAttribute('aria-sort', falling ? 'descending' : 'ascending');
    }

    function follow() {
      const asked = /^#sort=(-?)(\w+)$/.exec(location.hash);
      if (asked) sort(asked[2], asked[1] === '-');
    }

    table.tHead.addEventListener('click', event => {
      const head = event.target.closest('th');
      if (!head || !event.target.closest('button')) return;
      const now = head.getAttribute('aria-sort');
      const falling = now ? now === 'ascending' : head.dataset.bad === 'large';
      location.hash = 'sort=' + (falling ? '-' : '') + head.dataset.key;
    });
    document.addEventListener('click', event => {
      const mark = event.target.closest('[data-layer]');
      if (mark) location.hash = 'layer-' + mark.dataset.layer;
      if (event.target.closest('a[href^="#sort="]')) table.closest('section').scrollIntoView();
    });

    const filter = document.getElementById('filter');
    const part = filter.querySelector('input');
    const shown = document.getElementById('shown');
    const named = rows.map(row => ({row, name: row.cells[0].dataset.value.toLowerCase()}));
    filter.hidden = false;
    part.addEventListener('input', () => {
      const wanted = part.value.trim().toLowerCase();
      let count = 0;
      for (const {row, name} of named) {
        row.hidden = !name.includes(wanted);
        count += row.hidden ? 0 : 1;
      }
      shown.textContent = wanted ? count + ' of ' + rows.length : '';
    });

    window.addEventListener('hashchange', follow);
    follow();
  })();
)js";

}  // namespace convert_to_quant::page
