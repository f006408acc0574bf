"""kubeconfigs as what makes clusters writes them, see kubeconfigs.py."""

from __future__ import annotations

from kubeconfigs import Case, Plugin, credential

FAR = {"HTTPS_PROXY": "http://$http"}  # the proxy knows the addresses that are in them

KUBEADM = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $alpha_ca
    server: https://10.0.0.10:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: %(user)s
  name: %(user)s@kubernetes
current-context: %(user)s@kubernetes
kind: Config
preferences: {}
users:
- name: %(user)s
  user:
    client-certificate-data: $%(cert)s_cert
    client-key-data: $%(cert)s_key
"""

K3S = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $alpha_ca
    server: $alpha
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: $k3s_cert
    client-key-data: $k3s_key
"""

K3S_FILES = """\
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: $alpha
    certificate-authority: $dir/tls/server-ca.crt
users:
- name: user
  user:
    client-certificate: $dir/tls/client-admin.crt
    client-key: $dir/tls/client-admin.key
contexts:
- name: Default
  context:
    cluster: local
    user: user
current-context: Default
"""

EKS = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $alpha_ca
    server: https://0A1B2C3D4E5F60718293A4B5C6D7E8F9.gr7.eu-west-1.eks.amazonaws.com
  name: arn:aws:eks:eu-west-1:123456789012:cluster/shop
contexts:
- context:
    cluster: arn:aws:eks:eu-west-1:123456789012:cluster/shop
    user: arn:aws:eks:eu-west-1:123456789012:cluster/shop
  name: arn:aws:eks:eu-west-1:123456789012:cluster/shop
current-context: arn:aws:eks:eu-west-1:123456789012:cluster/shop
kind: Config
preferences: {}
users:
- name: arn:aws:eks:eu-west-1:123456789012:cluster/shop
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - --region
      - eu-west-1
      - eks
      - get-token
      - --cluster-name
      - shop
      - --output
      - json
      command: aws
      env:
      - name: AWS_PROFILE
        value: ops
"""

GKE = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $alpha_ca
    server: https://34.90.12.34
  name: gke_shop-prod_europe-west4_main
contexts:
- context:
    cluster: gke_shop-prod_europe-west4_main
    user: gke_shop-prod_europe-west4_main
  name: gke_shop-prod_europe-west4_main
current-context: gke_shop-prod_europe-west4_main
kind: Config
preferences: {}
users:
- name: gke_shop-prod_europe-west4_main
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args: null
      command: gke-gcloud-auth-plugin
      env: null
      installHint: Install gke-gcloud-auth-plugin for use with kubectl by following
        https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl#install_plugin
      interactiveMode: IfAvailable
      provideClusterInfo: true
"""

AKS = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $alpha_ca
    server: https://shop-dns-a1b2c3d4.hcp.westeurope.azmk8s.io:443
  name: shop
contexts:
- context:
    cluster: shop
    user: %(user)s
  name: %(context)s
current-context: %(context)s
kind: Config
preferences: {}
users:
- name: %(user)s
  user:
%(fields)s
"""

AKS_ADMIN = """\
    client-certificate-data: $aks_cert
    client-key-data: $aks_key
    token: $token
"""

AKS_ENTRA = """\
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - get-token
      - --environment
      - AzurePublicCloud
      - --server-id
      - 6dae42f8-4368-4678-94ff-3960e28e3630
      - --client-id
      - 80faf920-1908-4b52-b5ef-a8e7bedfc67a
      - --tenant-id
      - 11111111-2222-3333-4444-555555555555
      - --login
      - azurecli
      command: kubelogin
      env: null
      installHint: |2

        kubelogin is not installed which is required to connect to AAD enabled cluster.

        To learn more, please go to https://aka.ms/aks/kubelogin
      provideClusterInfo: false
"""

OPENSHIFT = """\
clusters:
- cluster:
    certificate-authority-data: $bundle_ca
    server: https://api.ocp.example.com:6443
  name: ocp
contexts:
- context:
    cluster: ocp
    user: admin
  name: admin
current-context: admin
preferences: {}
users:
- name: admin
  user:
    client-certificate-data: $openshift_cert
    client-key-data: $openshift_key
"""

OC_LOGIN = """\
apiVersion: v1
clusters:
- cluster:
    insecure-skip-tls-verify: true
    server: https://api.ocp.example.com:6443
  name: api-ocp-example-com:6443
contexts:
- context:
    cluster: api-ocp-example-com:6443
    namespace: default
    user: kube:admin/api-ocp-example-com:6443
  name: default/api-ocp-example-com:6443/kube:admin
current-context: default/api-ocp-example-com:6443/kube:admin
kind: Config
preferences: {}
users:
- name: kube:admin/api-ocp-example-com:6443
  user:
    token: $sha256
"""

RANCHER = """\
apiVersion: v1
kind: Config
clusters:
- name: "shop"
  cluster:
    server: "https://rancher.example.com/k8s/clusters/c-m-7xk2p9qd"
    certificate-authority-data: "$alpha_ca"
- name: "shop-cp1"
  cluster:
    server: "https://cp1.rke.example.com:6443"
    certificate-authority-data: "$beta_ca"

users:
- name: "shop"
  user:
    token: "$rancher"


contexts:
- name: "shop"
  context:
    user: "shop"
    cluster: "shop"
- name: "shop-cp1"
  context:
    user: "shop"
    cluster: "shop-cp1"

current-context: "shop"
"""

MINIKUBE = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority: $dir/.minikube/ca.crt
    extensions:
    - extension:
        last-update: Tue, 03 Jun 2025 10:14:22 CEST
        provider: minikube.sigs.k8s.io
        version: v1.36.0
      name: cluster_info
    server: $alpha
  name: minikube
contexts:
- context:
    cluster: minikube
    extensions:
    - extension:
        last-update: Tue, 03 Jun 2025 10:14:22 CEST
        provider: minikube.sigs.k8s.io
        version: v1.36.0
      name: context_info
    namespace: default
    user: minikube
  name: minikube
current-context: minikube
kind: Config
preferences: {}
users:
- name: minikube
  user:
    client-certificate: $dir/.minikube/profiles/minikube/client.crt
    client-key: $dir/.minikube/profiles/minikube/client.key
"""

_K3S_PEM = {
    "tls/server-ca.crt": "$alpha_ca_pem",
    "tls/client-admin.crt": "$k3s_cert_pem",
    "tls/client-admin.key": "$k3s_key_pem",
}
_MINIKUBE_PEM = {
    ".minikube/ca.crt": "$alpha_ca_pem",
    ".minikube/profiles/minikube/client.crt": "$admin_cert_pem",
    ".minikube/profiles/minikube/client.key": "$admin_key_pem",
}


def _kubeadm(cert: str, user: str = "kubernetes-admin") -> dict[str, str]:
    return {"config": KUBEADM % {"user": user, "cert": cert}}


def _aks(user: str, context: str, fields: str) -> dict[str, str]:
    return {"config": AKS % {"user": user, "context": context, "fields": fields}}


SHAPES = [
    Case("kubeadm until 1.28", _kubeadm("admin"), env=FAR),
    Case("kubeadm since 1.29", _kubeadm("since129"), env=FAR),
    Case("kubeadm's super-admin.conf", _kubeadm("super", "kubernetes-super-admin"), env=FAR),
    Case("k3s.yaml", {"config": K3S}),
    Case("k3s's admin.kubeconfig", {"config": K3S_FILES, **_K3S_PEM}),
    Case(
        "EKS",
        {"config": EKS},
        env=FAR,
        plugins={"aws": Plugin(credential(token="$eks", expirationTimestamp="2099-01-01T00:00:00Z"))},
        conf={"kubernetes": {"mint_eks_tokens": False}},
    ),
    Case(
        "GKE",
        {"config": GKE},
        env=FAR,
        plugins={"gke-gcloud-auth-plugin": Plugin(credential(token="$token"))},
    ),
    Case(
        "AKS with --admin",
        _aks("clusterAdmin_shop-rg_shop", "shop-admin", AKS_ADMIN),
        env=FAR,
    ),
    Case(
        "AKS with kubelogin",
        _aks("clusterUser_shop-rg_shop", "shop", AKS_ENTRA),
        env=FAR,
        plugins={"kubelogin": Plugin(credential(token="$token"))},
    ),
    Case("OpenShift's installer", {"config": OPENSHIFT}, env=FAR),
    Case("oc login", {"config": OC_LOGIN}, env=FAR),
    Case("Rancher", {"config": RANCHER}, env=FAR),
    Case("Rancher, past its proxy", {"config": RANCHER}, context="shop-cp1", env=FAR),
    Case("minikube", {"config": MINIKUBE, **_MINIKUBE_PEM}),
]
