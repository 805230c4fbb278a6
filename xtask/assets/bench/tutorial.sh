#!/usr/bin/env bash
# The tutorial's six steps as an administrator types them, gathered in one file:
# what `kreg up` is measured against. No check, no undo of its own beyond `down`.
#
#   tutorial.sh up|down
#
# Reads KUBECONFIG, KUBECTL, SSH (command with options), REGISTRY_IMAGE, CERTS_D
# (the directory in which the nodes' runtime looks for certificates), and FILES
# (an empty directory for keys and passwords).
set -euo pipefail

REGISTRY_NAME=docker-registry
REGISTRY_PORT=5000
TRUST="$CERTS_D/$REGISTRY_NAME:$REGISTRY_PORT"

nodes() {
  "$KUBECTL" get nodes -o jsonpath='{ $.items[*].status.addresses[?(@.type=="InternalIP")].address }'
}

on() {
  local node=$1
  shift
  # SSH holds a command and its options; what runs there is quoted by whoever calls.
  # shellcheck disable=SC2086
  $SSH "root@$node" "$@"
}

certificate() {
  mkdir "$FILES/certs"
  openssl req -x509 -newkey rsa:4096 -days 365 -nodes -sha256 \
    -keyout "$FILES/certs/tls.key" -out "$FILES/certs/tls.crt" \
    -subj "/CN=$REGISTRY_NAME" -addext "subjectAltName = DNS:$REGISTRY_NAME" 2>/dev/null
}

password() {
  mkdir "$FILES/auth"
  htpasswd -Bbn myuser mypasswd >"$FILES/auth/htpasswd"
}

secrets() {
  "$KUBECTL" create secret tls certs-secret --cert="$FILES/certs/tls.crt" --key="$FILES/certs/tls.key"
  "$KUBECTL" create secret generic auth-secret --from-file="$FILES/auth/htpasswd"
}

volume() {
  "$KUBECTL" create -f - <<'YAML'
apiVersion: v1
kind: PersistentVolume
metadata:
  name: docker-repo-pv
spec:
  capacity:
    storage: 1Gi
  accessModes:
  - ReadWriteOnce
  hostPath:
    path: /tmp/repository
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: docker-repo-pvc
spec:
  # The tutorial's cluster has no default class; where there is one, it must not take the claim.
  storageClassName: ""
  accessModes:
  - ReadWriteOnce
  resources:
    requests:
      storage: 1Gi
YAML
}

registry() {
  "$KUBECTL" create -f - <<YAML
apiVersion: v1
kind: Pod
metadata:
  name: docker-registry-pod
  labels:
    app: registry
spec:
  containers:
  - name: registry
    image: $REGISTRY_IMAGE
    volumeMounts:
    - name: repo-vol
      mountPath: "/var/lib/registry"
    - name: certs-vol
      mountPath: "/certs"
      readOnly: true
    - name: auth-vol
      mountPath: "/auth"
      readOnly: true
    env:
    - name: REGISTRY_AUTH
      value: "htpasswd"
    - name: REGISTRY_AUTH_HTPASSWD_REALM
      value: "Registry Realm"
    - name: REGISTRY_AUTH_HTPASSWD_PATH
      value: "/auth/htpasswd"
    - name: REGISTRY_HTTP_TLS_CERTIFICATE
      value: "/certs/tls.crt"
    - name: REGISTRY_HTTP_TLS_KEY
      value: "/certs/tls.key"
  volumes:
  - name: repo-vol
    persistentVolumeClaim:
      claimName: docker-repo-pvc
  - name: certs-vol
    secret:
      secretName: certs-secret
  - name: auth-vol
    secret:
      secretName: auth-secret
---
apiVersion: v1
kind: Service
metadata:
  name: $REGISTRY_NAME
spec:
  selector:
    app: registry
  ports:
  - port: $REGISTRY_PORT
    targetPort: $REGISTRY_PORT
YAML
  "$KUBECTL" wait --for=condition=Ready pod/docker-registry-pod --timeout=300s
}

trust() {
  local address node
  address=$("$KUBECTL" get service "$REGISTRY_NAME" -o jsonpath='{.spec.clusterIP}')
  for node in $(nodes); do
    on "$node" "echo '$address $REGISTRY_NAME' >> /etc/hosts"
  done
  for node in $(nodes); do
    on "$node" "rm -rf '$TRUST'; mkdir -p '$TRUST'"
  done
  for node in $(nodes); do
    # scp by its simplest means.
    on "$node" "cat > '$TRUST/ca.crt'" <"$FILES/certs/tls.crt"
  done
}

pull_secret() {
  "$KUBECTL" create secret docker-registry reg-cred-secret \
    --docker-server="$REGISTRY_NAME:$REGISTRY_PORT" --docker-username=myuser --docker-password=mypasswd
}

up() {
  certificate
  password
  secrets
  volume
  registry
  trust
  pull_secret
}

# What the tutorial does not tell: how to get rid of it all.
down() {
  local node
  for node in $(nodes); do
    # /etc/hosts may be a bind mount: it can be written, not replaced.
    on "$node" "rm -rf '$TRUST' /tmp/repository
      kept=\$(grep -v ' $REGISTRY_NAME\$' /etc/hosts) && printf '%s\n' \"\$kept\" > /etc/hosts"
  done
  "$KUBECTL" delete --ignore-not-found --wait --now \
    pod/docker-registry-pod "service/$REGISTRY_NAME" \
    secret/reg-cred-secret secret/certs-secret secret/auth-secret \
    pvc/docker-repo-pvc pv/docker-repo-pv
}

case ${1-} in
  up | down) "$1" ;;
  *)
    echo "usage: $0 up|down" >&2
    exit 2
    ;;
esac
