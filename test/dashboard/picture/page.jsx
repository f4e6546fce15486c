// SPDX-License-Identifier: BSD-2-Clause
// Draws the panels of a dashboard with Grafana's own components. window.picture is the
// dashboard, the time range, and for each panel the answers of Prometheus.

import "@fontsource/inter/latin-400.css";
import "@fontsource/inter/latin-500.css";
import { createRoot } from "react-dom/client";
import {
  createTheme, dateTime, FieldConfigOptionsRegistry, FieldType, applyFieldOverrides, cacheFieldDisplayNames,
  displayNameOverrideProcessor, getDisplayValueAlignmentFactors, getFieldDisplayValues, standardTransformers,
  standardTransformersRegistry, ThemeContext, toDataFrame, transformDataFrame,
} from "@grafana/data";
import { initPluginTranslations } from "@grafana/i18n";
import { BigValue, GlobalStyles, PanelChrome, TimeSeries, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import _ from "lodash";
import { firstValueFrom } from "rxjs";

const { dashboard, answers, start, end } = window.picture;
const theme = createTheme({ colors: { mode: "light" } });
const timeZone = "utc";
const timeRange = { from: dateTime(start * 1000), to: dateTime(end * 1000) };
timeRange.raw = { from: timeRange.from, to: timeRange.to };
const replaceVariables = (s) => s;

// defaults are what Grafana's panels take where a dashboard says nothing.
const defaults = {
  timeseries: {
    drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, fillOpacity: 0, gradientMode: "none", barAlignment: 0,
    barWidthFactor: 0.6, lineStyle: { fill: "solid" }, spanNulls: false, insertNulls: false, showPoints: "auto", pointSize: 5,
    stacking: { mode: "none", group: "A" }, axisPlacement: "auto", axisLabel: "", axisColorMode: "text", axisBorderShow: false,
    scaleDistribution: { type: "linear" }, axisCenteredZero: false, hideFrom: { viz: false, legend: false, tooltip: false },
    thresholdsStyle: { mode: "off" },
  },
  table: { align: "auto", cellOptions: { type: "auto" }, inspect: false },
  stat: {},
};

// registry knows the options of a field that this page can apply.
function registry(type) {
  const custom = Object.keys(defaults[type]).concat("width", "axisSoftMin", "axisSoftMax", "axisWidth", "fillBelowTo");
  const item = (path, isCustom) => ({
    id: isCustom ? "custom." + path : path, path, isCustom, name: path, settings: {},
    process: path === "displayName" ? displayNameOverrideProcessor : (v) => v, shouldApply: () => true,
  });
  return new FieldConfigOptionsRegistry(() => [
    ...["unit", "min", "max", "decimals", "displayName", "color", "noValue", "mappings", "thresholds", "links"].map((p) => item(p, false)),
    ...custom.map((p) => item(p, true)),
  ]);
}

// frames makes of the answers what Grafana's source for Prometheus makes of them.
function frames(panel) {
  return panel.targets.flatMap((target, i) => {
    const { result, step } = answers[panel.id][i];
    return target.format === "table" ? [table(target, result, panel.targets.length > 1)] : result.map((r) => series(target, r, step));
  });
}

function series(target, { metric, values }, step) {
  const { __name__, ...labels } = metric;
  const legend = target.legendFormat?.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => metric[label] ?? "");
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: FieldType.time, config: { interval: step * 1000 }, values: values.map(([t]) => t * 1000) },
      { name: "Value", type: FieldType.number, labels, config: { displayNameFromDS: legend || undefined }, values: values.map(([, v]) => Number(v)) },
    ],
  });
}

function table(target, result, several) {
  const labels = [...new Set(result.flatMap((r) => Object.keys(r.metric)))].sort();
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: FieldType.time, values: result.map((r) => r.value[0] * 1000) },
      ...labels.map((l) => ({ name: l, type: FieldType.string, config: { filterable: true }, values: result.map((r) => r.metric[l] ?? "") })),
      { name: several ? "Value #" + target.refId : "Value", type: FieldType.number, values: result.map((r) => Number(r.value[1])) },
    ],
  });
}

async function prepare(panel) {
  const fieldConfig = _.cloneDeep(panel.fieldConfig);
  fieldConfig.defaults.custom = _.defaultsDeep(fieldConfig.defaults.custom ?? {}, defaults[panel.type]);
  for (const step of fieldConfig.defaults.thresholds?.steps ?? []) step.value ??= -Infinity;
  const transformed = await firstValueFrom(transformDataFrame(panel.transformations ?? [], frames(panel)));
  const fieldConfigRegistry = registry(panel.type);
  const data = applyFieldOverrides({ data: transformed, fieldConfig, replaceVariables, theme, timeZone, fieldConfigRegistry });
  cacheFieldDisplayNames(data);
  return { panel, fieldConfig, data };
}

function Stat({ panel, fieldConfig, data, width, height }) {
  const { options } = panel;
  const getValues = () => getFieldDisplayValues({
    fieldConfig, reduceOptions: options.reduceOptions, replaceVariables, theme, data, sparkline: options.graphMode !== "none", timeZone,
  });
  return (
    <VizRepeater
      {...{ getValues, width, height }} source={data} orientation={options.orientation} autoGrid
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, alignmentFactors, count }) => (
        <BigValue {..._.pick(options, "colorMode", "graphMode", "justifyMode", "textMode", "percentChangeColorMode")}
          {...{ width, height, alignmentFactors, count, theme }} value={value.display} disableWideLayout={!options.wideLayout}
          sparkline={value.sparkline && { ...value.sparkline, timeRange }} />
      )}
    />
  );
}

const drawers = {
  stat: Stat,
  timeseries: ({ panel, data, width, height }) => (
    <TimeSeries frames={data} {...{ timeRange, timeZone, width, height }} structureRev={1} options={panel.options} legend={panel.options.legend} />
  ),
  table: ({ panel, fieldConfig, data, width, height }) => (
    <TableNG data={data[0]} {...{ width, height, fieldConfig, timeRange }} noHeader={!panel.options.showHeader}
      cellHeight={panel.options.cellHeight} sortBy={panel.options.sortBy} enableVirtualization={false} />
  ),
};

// Panel is 24th parts of the page wide, and rows of 30 pixels with gaps of 8 high.
function Panel(prepared) {
  const { panel } = prepared;
  const { x, y, w, h } = panel.gridPos;
  const column = (window.innerWidth - 16 + 8) / 24;
  const Drawer = drawers[panel.type];
  const box = { position: "absolute", left: 8 + x * column, top: 8 + y * 38, width: w * column - 8, height: h * 38 - 8 };
  return (
    <div style={box}>
      <PanelChrome title={panel.title} description={panel.description} width={box.width} height={box.height}>
        {(width, height) => <Drawer {...prepared} width={width} height={height} />}
      </PanelChrome>
    </div>
  );
}

await initPluginTranslations("grafana");
const transformers = _.uniqBy(Object.values(standardTransformers), "id");
standardTransformersRegistry.setInit(() => transformers.map((t) => ({ id: t.id, name: t.name, transformation: async () => t })));
const panels = await Promise.all(dashboard.panels.map(prepare));
await Promise.all(["400 12px Inter", "500 12px Inter"].map((font) => document.fonts.load(font)));
document.body.style.background = theme.colors.background.canvas;
createRoot(document.getElementById("root")).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {panels.map((p) => <Panel key={p.panel.id} {...p} />)}
  </ThemeContext.Provider>,
);
