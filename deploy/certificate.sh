# Makes a certificate for the gateway in the folder /run/tls, once: an authority of its own, and a certificate that it
# signs for the names in TLS_NAMES (comma-separated host names and addresses). A gateway.pem that is there is kept.
#   ca.pem        for clients: VOXLOOM_TLS_CA=ca.pem
#   gateway.pem   certificate and key, for HAProxy
set -eu
umask 077
cd /run/tls
[ -s gateway.pem ] && [ "$(cat names 2>/dev/null)" = "$TLS_NAMES" ] && exit 0
[ -s gateway.pem ] && [ ! -e names ] && { echo "gateway.pem was put here by hand and is kept"; exit 0; }
work=$(mktemp -d /tmp/tls.XXXXXX)
alternatives=$(printf '%s' "$TLS_NAMES" | tr ',' '\n' | sed -E '/^[0-9.]+$|:/{s/^/IP:/;t};s/^/DNS:/' | paste -sd,)
key="-algorithm EC -pkeyopt ec_paramgen_curve:P-256"
# shellcheck disable=SC2086
openssl genpkey $key -out "$work/ca.key"
# shellcheck disable=SC2086
openssl genpkey $key -out "$work/gateway.key"
openssl req -x509 -new -key "$work/ca.key" -days 3650 -subj "/CN=voxloom authority" -out "$work/ca.pem" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
openssl req -new -key "$work/gateway.key" -subj "/CN=voxloom gateway" -out "$work/gateway.csr"
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$alternatives" >"$work/extensions"
openssl x509 -req -in "$work/gateway.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 825 \
  -extfile "$work/extensions" -out "$work/gateway.crt"
cat "$work/gateway.crt" "$work/gateway.key" >gateway.pem.new
cp "$work/ca.pem" ca.pem.new
chmod 644 ca.pem.new
mv ca.pem.new ca.pem
mv gateway.pem.new gateway.pem
printf '%s' "$TLS_NAMES" >names
rm -rf "$work"
echo "a certificate for $TLS_NAMES is in the volume tls; clients need its ca.pem"
