# The app and the command line, with the packages of requirements-slim.txt; --build-arg REQUIREMENTS=requirements.txt
# adds TextAttack's own attacks. docs/install.md says how it is run.
FROM python:3.12-slim

ARG REQUIREMENTS=requirements-slim.txt
# On a machine without a GPU torch's own index has a build that is ten times smaller.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

RUN useradd --create-home --uid 1000 robust \
    && mkdir /data /runs \
    && chown robust /runs

WORKDIR /srv/robust
COPY requirements.txt requirements-slim.txt ./
# The release of torch is the one that the requirements name; PyPI's own build is taken where that index has none.
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -r "$REQUIREMENTS"

COPY . .
# Only the app's own packages: everything they need is installed above.
RUN pip install --no-cache-dir --no-deps --editable .

USER 1000
ENV ROBUST_DATA=/data \
    ROBUST_RUNS=/runs \
    ROBUST_SHARED=1 \
    MPLCONFIGDIR=/tmp
VOLUME /runs
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:8501/_stcore/health', timeout=4)"]

ENTRYPOINT ["robustness-explorer"]
CMD ["serve", "--", "--server.address", "0.0.0.0"]
