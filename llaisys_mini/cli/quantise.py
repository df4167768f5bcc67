"""`llaisys-mini quantise`: a model becomes a smaller one."""

import click


@click.command()
@click.argument("model")
@click.option("--dtype", required=True, help="int8 (half the size of bfloat16) or int4 (a quarter).")
@click.option("--out", required=True, help="The folder to write; it must not exist yet.")
@click.option("--per-row", is_flag=True, help="int8: one scale per row of a weight, not one per 32 weights.")
@click.option(
    "--method",
    type=click.Choice(["rtn", "gptq", "awq"]),
    default="rtn",
    show_default=True,
    help="rtn: to the nearest number. gptq, awq: as the inputs ask for, on calibration text.",
)
@click.option(
    "--calibration",
    default=None,
    help="Text file for gptq and awq, documents separated by <|endoftext|>. Default: the model writes some itself.",
)
@click.option("--report", is_flag=True, help="Compare the quantised model with MODEL on held-out text.")
@click.option("--text", default=None, help="Text file for --report, documents separated by <|endoftext|>.")
def quantise(model, dtype, out, per_row, method, calibration, report, text):
    """Write MODEL (a folder, a hub id, or 'mini') with weights of one byte, or half a byte, each."""
    from pathlib import Path

    from llaisys_mini.models.quantise import quantise as write_quantised

    texts: list[list[int]] = []
    if method != "rtn":
        from llaisys_mini.engine.calibration import calibration_texts

        texts = calibration_texts(model, Path(calibration).expanduser() if calibration else None)
    elif calibration:
        raise click.UsageError("--calibration is for --method gptq and awq: rtn looks at no text")
    before, after = write_quantised(model, out, dtype, per_row, method, texts)
    click.echo(f"{out}: weights {before / 1e6:,.1f} MB -> {after / 1e6:,.1f} MB")
    if report:
        from llaisys_mini.engine.quality import print_report

        shown = dtype if method == "rtn" else f"{dtype}, {method}"
        print_report(model, Path(out).expanduser(), shown, Path(text).expanduser() if text else None)
