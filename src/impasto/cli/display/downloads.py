"""Models named by a URL: downloaded before they are used, with a bar."""

import math

from impasto.cli.display.progress import CountProgress, PacedLines, bytes_with_speed


def fetched(model: str) -> str:
    """Return a model's name or file; for a URL, the file that it was downloaded to.

    A bar, or a line where stderr is no terminal, says that there is something to wait for; a model
    downloaded before needs neither.

    Raises:
        DownloadError: the model cannot be had from its URL.
    """
    from impasto.web import shown_address
    from impasto.zoo.download import download_model, is_address

    if not is_address(model):
        return model
    line = f"downloading {shown_address(model)}"
    lines = PacedLines(math.inf)  # the first report's line is the only one
    with CountProgress("downloading", lines=lines, columns=bytes_with_speed()) as progress:

        def show(num_bytes: int, total: int | None) -> None:
            progress.show(num_bytes, total, line=line)

        return str(download_model(model, on_progress=show).path)
