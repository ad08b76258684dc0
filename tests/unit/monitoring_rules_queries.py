"""Reads a PromQL query as Prometheus does, and says which labels its result has: names, labels and values that no
exporter has, and vectors that can never match, are errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import promql_parser as promql

SETS = ("and", "or", "unless")
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
Labels = frozenset[str]
Values = set[str] | None
"""The values a label was seen with; None: any."""


class QueryError(ValueError):
    """What is wrong with a query."""


@dataclass
class Metrics:
    """What metrics there are: by name the labels they come with, and their values."""

    names: dict[str, dict[str, Values]] = field(default_factory=dict)

    def add(self, name: str, labels: Mapping[str, Values]) -> None:
        """Add a series' labels to those its metric is known with."""
        known = self.names.setdefault(name, {})
        for label, values in labels.items():
            before = known.get(label, set())
            known[label] = None if before is None or values is None else before | values

    def matching(self, selector: promql.VectorSelector) -> dict[str, dict[str, Values]]:
        """The metrics that a selector means. Raises QueryError when there are none."""
        name, matchers = selector.name, selector.matchers.matchers
        found = {name: self.names[name]} if name and name in self.names else {}
        if name is None:
            pattern = next((m.value for m in matchers if m.name == "__name__"), "")
            for part in _alternatives(pattern):
                known = {n: labels for n, labels in self.names.items() if re.fullmatch(part, n)}
                if not known:
                    raise QueryError(f"no metric is called {part}")
                found |= known
        if not found:
            raise QueryError(f"no metric is called {name}")
        return found


def labels_of(query: str, metrics: Metrics) -> Labels:
    """The labels a query's result may have. Raises QueryError naming what is wrong."""
    try:
        tree = promql.parse(query)
    except ValueError as error:
        raise QueryError(f"not PromQL: {error}") from None
    return _labels(tree, metrics)


def selectors(query: str) -> list[promql.VectorSelector]:
    """Every selector of a query."""
    found: list[promql.VectorSelector] = []

    def visit(node: promql.Expr) -> bool:
        if isinstance(node, promql.VectorSelector):
            found.append(node)
        if isinstance(node, promql.MatrixSelector):
            found.append(node.vector_selector)
        return True

    promql.walk(promql.parse(query), visit)
    return list({str(selector): selector for selector in found}.values())


def _labels(node: promql.Expr, metrics: Metrics) -> Labels:
    match node:
        case promql.NumberLiteral() | promql.StringLiteral():
            return frozenset()
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _labels(node.expr, metrics)
        case promql.VectorSelector():
            return _selected(node, metrics)
        case promql.MatrixSelector():
            if node.vector_selector.name is None:
                raise QueryError(f"{node}: results of several metrics cannot be told apart, which is an error")
            return _selected(node.vector_selector, metrics)
        case promql.AggregateExpr():
            return _aggregated(node, metrics)
        case promql.Call():
            return _called(node, metrics)
        case promql.BinaryExpr():
            return _combined(node, metrics)
    raise QueryError(f"nobody has said what labels a {type(node).__name__} has")


def _selected(selector: promql.VectorSelector, metrics: Metrics) -> Labels:
    found = metrics.matching(selector)
    for matcher in selector.matchers.matchers:
        if matcher.name == "__name__":
            continue
        for name, labels in found.items():
            if matcher.name not in labels:
                raise QueryError(f"{name} has no label {matcher.name}")
            _check_values(name, matcher, labels[matcher.name])
    return frozenset(label for labels in found.values() for label in labels)


def _check_values(name: str, matcher: promql.Matcher, values: Values) -> None:
    if values is None or "$" in matcher.value or matcher.value == "":
        return
    if matcher.op == promql.MatchOp.Equal and matcher.value not in values:
        raise QueryError(f"{name} never has {matcher.name}={matcher.value}, only {sorted(values)}")
    if matcher.op == promql.MatchOp.Re and not any(re.fullmatch(matcher.value, value) for value in values):
        raise QueryError(f"{name} never has {matcher.name}=~{matcher.value}, only {sorted(values)}")


def _aggregated(node: promql.AggregateExpr, metrics: Metrics) -> Labels:
    inner = _labels(node.expr, metrics)
    if str(node.op) in ("topk", "bottomk"):
        return inner
    if node.modifier is None:
        return frozenset()
    named = frozenset(node.modifier.labels)
    if missing := named - inner:
        raise QueryError(f"{sorted(missing)} are no labels of {node.expr.prettify()}, which has {sorted(inner)}")
    return named if node.modifier.type == promql.AggModifierType.By else inner - named


def _called(node: promql.Call, metrics: Metrics) -> Labels:
    name, arguments = node.func.name, node.args
    if name in ("vector", "time"):
        return frozenset()
    if name == "absent":
        matchers = arguments[0].matchers.matchers
        _labels(arguments[0], metrics)
        return frozenset(m.name for m in matchers if m.op == promql.MatchOp.Equal)
    if name == "histogram_quantile":
        inner = _labels(arguments[1], metrics)
        if "le" not in inner:
            raise QueryError(f"histogram_quantile needs le, and has {sorted(inner)}")
        return inner - {"le"}
    if name == "label_replace":
        inner, source = _labels(arguments[0], metrics), arguments[3].val
        if source not in inner:
            raise QueryError(f"label_replace reads {source}, and there is only {sorted(inner)}")
        return inner | {arguments[1].val}
    vectors = [_labels(argument, metrics) for argument in arguments]
    return frozenset().union(*vectors)


def _combined(node: promql.BinaryExpr, metrics: Metrics) -> Labels:
    left, right = _labels(node.lhs, metrics), _labels(node.rhs, metrics)
    operator, modifier = str(node.op), node.modifier
    scalars = [side for side, expr in ((left, node.lhs), (right, node.rhs)) if _is_scalar(expr)]
    if scalars:
        return right if _is_scalar(node.lhs) else left
    matching = modifier.matching if modifier else None
    if matching is None:
        if operator != "or" and left != right:
            raise QueryError(f"{sorted(left)} and {sorted(right)} never match in {node.prettify()}")
        return left | right
    named = frozenset(matching.labels)
    if matching.type == promql.LabelModifierType.Include and not (named <= left and named <= right):
        raise QueryError(f"on {sorted(named)}: one side has {sorted(left)}, the other {sorted(right)}")
    if operator in SETS:
        return left | right if operator == "or" else left
    more = frozenset(modifier.group_labels or ())
    if modifier.card == promql.VectorMatchCardinality.ManyToOne:
        if not more <= right:
            raise QueryError(f"group_left {sorted(more)}: the other side has {sorted(right)}")
        return left | more
    if modifier.card == promql.VectorMatchCardinality.OneToMany:
        return right | more
    return named if matching.type == promql.LabelModifierType.Include else (left | right) - named


def _is_scalar(node: promql.Expr) -> bool:
    match node:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_scalar(node.expr)
        case promql.Call():
            return node.func.name in ("time", "scalar")
        case promql.BinaryExpr():
            return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    return False


def _alternatives(pattern: str) -> Iterable[str]:
    """`a_(b|c)_d` as `a_b_d` and `a_c_d`, `a|b` as `a` and `b`: each must mean something."""
    if found := re.fullmatch(r"([^()|]*)\(([^()]+)\)([^()|]*)", pattern):
        before, middle, after = found.groups()
        return [f"{before}{part}{after}" for part in middle.split("|")]
    return pattern.split("|")
