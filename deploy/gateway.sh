# What the gateway runs: it starts last, so its word of where to go ends the log of `docker compose up`.
set -eu
cat /etc/voxloom/welcome.txt
exec haproxy -q -db -f /etc/voxloom/gateway.cfg
