"""What commands share: options of `generate` and `chat`, some of which others have too, and the model they ask for."""

import click

_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "max_new_tokens")

model_option = click.option(
    "--model", default="mini", help="Folder, hub id (Qwen/Qwen3-0.6B), or 'mini', the shipped model."
)
device_option = click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu or cuda.")
dtype_option = click.option(
    "--dtype",
    default="auto",
    show_default=True,
    help="Storage: float32, float16, bfloat16, stored (as in the file) or auto.",
)


def engine_options(command):
    """Who guesses tokens ahead, and whether steps are replayed: what an engine is told."""
    command = click.option(
        "--capture/--no-capture", default=True, help="Replay recorded steps as one call; same text."
    )(command)
    count = click.option(
        "--guesses",
        type=click.IntRange(1, 16),
        default=4,
        show_default=True,
        help="Tokens guessed ahead (vLLM: num_speculative_tokens).",
    )
    return click.option("--draft", default=None, help="A smaller model that guesses tokens ahead, or 'ngram'.")(
        count(command)
    )


def guesser_for(model, options, pages=None):
    """What guesses tokens ahead, as the options ask for it; None for nothing. pages: of a draft model's KV cache."""
    from llaisys_mini.engine.generate import load_model
    from llaisys_mini.engine.speculation import DraftModel, NGrams

    if options["draft"] is None:
        return None
    if options["draft"] == "ngram":
        return NGrams(most=options["guesses"])
    draft = load_model(options["draft"], storage("auto", options["device"]), options["device"]).decoder
    guesser = DraftModel(draft, options["guesses"], pages, options["capture"])
    guesser.require_same_tokens(model.config.vocab_size)
    return guesser


def model_options(command):
    """Which model, how to sample, which kernels."""
    options = [
        model_option,
        click.option("--max-new-tokens", type=click.IntRange(0), default=None, help="Default: what the context holds."),
        click.option(
            "--temperature", type=float, default=None, help="0: always the likeliest token. Default: the model's."
        ),
        click.option(
            "--top-k", type=int, default=None, help="Sample among the k likeliest; 0: all. Default: the model's."
        ),
        click.option(
            "--top-p", type=float, default=None, help="Sample among the likeliest that together have probability p."
        ),
        click.option(
            "--min-p", type=float, default=None, help="Drop tokens less than p times as likely as the likeliest."
        ),
        click.option("--repetition-penalty", type=float, default=None, help="Above 1: discourages repetition."),
        click.option(
            "--seed", type=int, default=None, help="Same seed, same text. Default: a different text each time."
        ),
        click.option(
            "--kernels",
            default="",
            help="student, solutions, plain, expert or reference; also per operator: softmax=student.",
        ),
        device_option,
        dtype_option,
        engine_options,
        click.option("--stats", is_flag=True, help="Report speed, memory and which kernels answered."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def storage(dtype, device):
    """What `--dtype` means with the kernels that were chosen.

    auto: a small model's weights are converted to float32 only where a learner's kernel or a reference is to read them.
    The course's kernels compute the same bits from what is stored, and read half as much.
    """
    from llaisys_mini.devices import HOST
    from llaisys_mini.kernels.choice import course_reads_weights

    return "stored" if dtype == "auto" and device == HOST.name and course_reads_weights(device) else dtype


def load(options):
    """The model, with the kernels that were chosen. Prints what is to be said about its weights."""
    from llaisys_mini.engine.generate import load_model
    from llaisys_mini.kernels.choice import parse_choice, use_kernels

    everywhere, per_operator = parse_choice(options["kernels"])
    use_kernels(everywhere, **per_operator)
    model = load_model(options["model"], storage(options["dtype"], options["device"]), options["device"])
    for note in model.decoder.notes:
        click.echo(note, err=True)
    return model


def tokenizer_of(model, options):
    """The model's tokenizer. Raises TokenizerError if it has none."""
    from llaisys_mini.errors import TokenizerError

    if model.tokenizer is None:
        raise TokenizerError(
            f"{options['model']} has no tokenizer.json, so it cannot read text: copy the model's there, or use "
            "load_model with ids"
        )
    return model.tokenizer


def sampling(options) -> dict:
    """The values that the user gave; generate fills in the model's own for the others."""
    return {name: options[name] for name in _SAMPLING if options[name] is not None}
