# The service in a container: llaisys-mini serve, with the shipped model. See docs/serving.md.
FROM python:3.12-slim

RUN useradd --create-home student
WORKDIR /home/student/llaisys_mini
COPY --chown=student . .
RUN pip install --no-cache-dir -c constraints.txt '.[serve]'

USER student
EXPOSE 8000
# Beyond the container's own loopback address, so a key is needed: LLAISYS_MINI_API_KEY.
CMD ["llaisys-mini", "serve", "--host", "0.0.0.0"]
