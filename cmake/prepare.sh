# Sourced by tests/run and examples/run: installs what is missing, or says what to install.

say() { printf '\n== %s\n' "$*"; }

# need PACKAGE..: Debian packages, installed with apt-get where this may be done, one call each: Debian 12's Boost 1.81 packages
# do not install together with everything else.
need() {
  if ! command -v dpkg-query >/dev/null; then
    echo "no dpkg here: taking these Debian packages, or what they are called here, as installed: $*"
    return
  fi
  local missing=() package as_root=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    if ! sudo -n true 2>/dev/null; then
      echo "missing: ${missing[*]}" >&2
      echo "install them, one after the other: for p in ${missing[*]}; do sudo apt-get install -y \$p; done" >&2
      exit 1
    fi
    as_root=(sudo -n)
  fi
  say "Installing ${missing[*]}"
  ${as_root[@]+"${as_root[@]}"} apt-get update -qq
  for package in "${missing[@]}"; do
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
  done
}

# find_cuda: puts a toolkit that lies where toolkits lie on the PATH.
find_cuda() {
  if ! command -v nvcc >/dev/null && [[ -x ${CUDA_HOME:-/usr/local/cuda}/bin/nvcc ]]; then
    PATH=${CUDA_HOME:-/usr/local/cuda}/bin:$PATH
  fi
}

# use_ccache: compiles through ccache where there is one.
use_ccache() {
  if command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_CUDA_COMPILER_LAUNCHER=ccache
  fi
}
