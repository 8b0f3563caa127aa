"""Formulas as MathML, which browsers draw by themselves: no script, no network."""

from html import escape

from docutils import nodes
from latex2mathml.converter import convert


def set_up_mathematics(app) -> None:
    """Make MathML what formulas become in HTML."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(inline, None), block_renderers=(block, None)
    )
    app.config.html_math_renderer = "mathml"


def inline(translator, node) -> None:
    """Write a formula within a line."""
    translator.body.append(mathml(node, display="inline"))
    raise nodes.SkipNode


def block(translator, node) -> None:
    """Write a formula that has lines of its own, numbered where it has a label."""
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    translator.body.append(f'<div class="math">{number}{mathml(node, display="block")}</div>')
    raise nodes.SkipNode


def mathml(node, *, display: str) -> str:
    """Return a formula as MathML that keeps its LaTeX for those who cannot see it."""
    latex = node.astext()
    formula = convert(latex, display=display)
    return formula.replace("<math ", f'<math aria-label="{escape(latex, quote=True)}" ', 1)
