"""How our dashboards look: a few kinds of panel, one set of colours, the same links and variables everywhere.

A panel takes its title, a sentence that says what it shows and why one would look, and its queries as a dict of
legend to expression. What is not said is Grafana's default.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common as shape
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

# The data source that the role provisions; templates/etc/grafana/aiko/provisioning/datasources says the same.
SOURCE = model.DataSourceRef(type_val="prometheus", uid="aiko-prometheus")
TAG = "aiko"
COLUMNS = 24
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Colours of thresholds, from well to bad.
WELL, ODD, BAD = "green", "yellow", "red"
# What a 0 and a 1 mean where a thing is either there or not.
PRESENCE = [
    model.ValueMap(options={
        "0": model.ValueMappingResult(text="down", color=BAD, index=0),
        "1": model.ValueMappingResult(text="up", color=WELL, index=1),
    })
]  # fmt: skip

Thresholds = dashboard.ThresholdsConfig


def high(odd: float, bad: float) -> Thresholds:
    """Thresholds for what is worse the more of it there is."""
    return _steps((None, WELL), (odd, ODD), (bad, BAD))


def low(odd: float, bad: float) -> Thresholds:
    """Thresholds for what is worse the less of it there is."""
    return _steps((None, BAD), (bad, ODD), (odd, WELL))


def plain() -> Thresholds:
    """No number of it is good or bad in itself."""
    return _steps((None, WELL))


def _steps(*steps: tuple[float | None, str]) -> Thresholds:
    return Thresholds().mode(model.ThresholdsMode.ABSOLUTE).steps([model.Threshold(value=value, color=color) for value, color in steps])


def figure(title: str, why: str, expression: str, *, unit: str = "short", thresholds: Thresholds | None = None, span: int = 4,
           present: bool = False, decimals: int | None = None, legend: str = "", text: str = "value", leads_to: str = "") -> stat.Panel:
    """One big number and its recent course."""
    panel = (
        stat.Panel()
        .graph_mode(shape.BigValueGraphMode.NONE if present or text == "name" else shape.BigValueGraphMode.AREA)
        .color_mode(shape.BigValueColorMode.BACKGROUND if present else shape.BigValueColorMode.VALUE)
        .text_mode(shape.BigValueTextMode(text))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if leads_to:
        panel.data_links([dashboard.DashboardLink("Open").type(model.DashboardLinkType.LINK).url(f"/d/{leads_to}")])
    if decimals is not None:
        panel.decimals(decimals)
    return _finish(panel, title, why, {legend: expression}, "none" if present else unit, thresholds, span, 4, PRESENCE if present else None)


def graph(title: str, why: str, queries: dict[str, str], *, unit: str = "short", thresholds: Thresholds | None = None, span: int = 12,
          stacked: bool = False, top: float | None = None) -> timeseries.Panel:
    """Lines over time. Thresholds are drawn as dashed lines; `top` is where the axis ends at least."""
    panel = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(25 if stacked else 8)
        .show_points(shape.VisibilityMode.NEVER)
        .axis_soft_min(0)
        .legend(common.VizLegendOptions().display_mode(shape.LegendDisplayMode.LIST).placement(shape.LegendPlacement.BOTTOM).show_legend(True))
        .tooltip(common.VizTooltipOptions().mode(shape.TooltipDisplayMode.MULTI).sort(shape.SortOrder.DESCENDING))
    )
    if thresholds is not None:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(shape.GraphThresholdsStyleMode.DASHED))
    if stacked:
        panel.stacking(common.StackingConfig().mode(shape.StackingMode.NORMAL).group("A"))
    if top is not None:
        panel.axis_soft_max(top)
    return _finish(panel, title, why, queries, unit, thresholds, span, 8)


def bars(title: str, why: str, queries: dict[str, str], *, unit: str = "short", thresholds: Thresholds | None = None, span: int = 12,
         top: float | None = None, empty: str = "") -> bargauge.Panel:
    """The present state of a few things side by side; `empty` is what is shown when there is nothing, and that is well."""
    panel = (
        bargauge.Panel()
        .orientation(shape.VizOrientation.HORIZONTAL)
        .display_mode(shape.BarGaugeDisplayMode.BASIC)
        .min(0)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if top is not None:
        panel.max(top)
    if empty:
        panel.no_value(empty)
    return _finish(panel, title, why, queries, unit, thresholds, span, 8, instant=True)


def states(title: str, why: str, queries: dict[str, str], *, span: int = COLUMNS) -> statetimeline.Panel:
    """When things were up and when they were down."""
    panel = statetimeline.Panel().show_value(shape.VisibilityMode.NEVER).row_height(0.8).merge_values(True).line_width(0).fill_opacity(70)
    return _finish(panel, title, why, queries, "none", _steps((None, BAD), (1, WELL)), span, 10, PRESENCE)


def listing(title: str, why: str, expression: str, *, columns: dict[str, str], value: str, unit: str = "short",
            thresholds: Thresholds | None = None, span: int = 12) -> table.Panel:
    """A table of one query: label to heading, and the heading of the value. The largest values come first."""
    panel = (
        table.Panel()
        .show_header(True)
        .align(shape.FieldTextAlignment.AUTO)
        .inspect(False)
        .sort_by([common.TableSortByFieldState().display_name(value).desc(True)])
        .with_transformation(model.DataTransformerConfig(id_val="organize", options={
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate([*columns, "Value"])},
            "renameByName": {**columns, "Value": value},
        }))
    )  # fmt: skip
    return _finish(panel, title, why, {"": expression}, unit, thresholds, span, 8, instant=True, form=PromQueryFormat.TABLE)


def _finish(panel, title, why, queries, unit, thresholds, span, height, mappings=None, *, instant=False, form=PromQueryFormat.TIME_SERIES):
    """What all kinds of panel have in common."""
    panel.title(title).description(why).datasource(SOURCE).unit(unit).span(span).height(height).thresholds(thresholds or plain())
    if mappings:
        panel.mappings(mappings)
    # Lines are told apart by their colours; numbers say with theirs whether they are good.
    lines = isinstance(panel, timeseries.Panel)
    panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC if lines else model.FieldColorModeId.THRESHOLDS))
    for letter, (legend, expression) in zip(LETTERS, queries.items(), strict=False):
        query = prometheus.Dataquery().ref_id(letter).expr(expression).format(form).datasource(SOURCE)
        if legend:
            query.legend_format(legend)
        panel.with_target(query.instant() if instant else query.range())
    return panel


def choice(name: str, label: str, query: str, why: str) -> dashboard.QueryVariable:
    """A variable with all values of a label, any number of which may be chosen, in the beginning all."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(why)
        .query(query)
        .datasource(SOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def board(uid: str, title: str, description: str, variables: list[dashboard.QueryVariable], rows: dict[str, list]) -> model.Dashboard:
    """A whole dashboard: variables, and titled rows of panels in reading order, of which each line fills the width."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time("now-3h", "now")
        .refresh("30s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("AI-KO").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
            .tooltip("The other dashboards, for the same time").as_dropdown(False).keep_time(True).include_vars(False).target_blank(False)
        )
    )  # fmt: skip
    for variable in variables:
        made.with_variable(variable)
    number = 0
    for heading, panels in rows.items():
        number += 1
        made.with_row(dashboard.Row(heading).id(number))
        for panel in panels:
            number += 1
            made.with_panel(panel.id(number))
    return made.build()
