#!/usr/bin/env bash
# usage: run.sh KIND SOURCE BUILD SCRATCH CXX
# Uses the library as somebody else's project would: KIND is install, find_package, add_subdirectory, host_only, pkg_config or
# cuda. All but `install` and `add_subdirectory` need what `install` left in SCRATCH/prefix.
set -euo pipefail
kind=$1 source=$2 build=$3 scratch=$4
export CXX=$5
prefix=$scratch/prefix
work=$scratch/$kind
rm -rf "$work"
mkdir -p "$work"

build_with() {  # PROJECT ARGUMENT..: configures, builds and runs it
  cmake -S "$1" -B "$work" "${@:2}"
  cmake --build "$work" --verbose
  "$work/consumer"
}

case $kind in
  install)
    rm -rf "$prefix"
    cmake --install "$build" --prefix "$prefix"
    for header in "$source"/include/halfstep/*/*.hpp; do
      cmp "$header" "$prefix/include${header#"$source/include"}"
    done
    ;;
  find_package)
    build_with "$source/examples/consumer" "-DCMAKE_PREFIX_PATH=$prefix"
    ;;
  add_subdirectory)
    build_with "$source/tests/consumer/subdirectory" "-DHALFSTEP_SOURCE_DIR=$source"
    ;;
  host_only)
    unset CUDA_PATH CUDA_HOME CUDACXX CPATH CPLUS_INCLUDE_PATH
    tools=$work/tools
    mkdir -p "$tools"
    for tool in cmake make ninja; do
      found=$(command -v "$tool") && ln -s "$found" "$tools/$tool"
    done
    PATH=$tools:/usr/bin:/bin
    if command -v nvcc; then
      echo "a CUDA compiler is still visible: this test says nothing"
      exit 1
    fi
    build_with "$source/examples/consumer" "-DCMAKE_PREFIX_PATH=$prefix" | tee "$work/log"
    if grep -qiE 'cuda|nvcc' <(grep -v "$scratch" "$work/log"); then
      echo "CUDA is mentioned in a host-only build"
      exit 1
    fi
    ;;
  pkg_config)
    export PKG_CONFIG_PATH=$prefix/share/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    read -ra flags <<<"$(pkg-config --cflags halfstep)"
    read -ra libraries <<<"$(pkg-config --libs halfstep)"
    "$CXX" -std=c++20 -O2 "${flags[@]}" "$source/examples/consumer/main.cpp" -o "$work/consumer" ${libraries[@]+"${libraries[@]}"}
    "$work/consumer"
    ;;
  cuda)
    build_with "$source/tests/consumer/cuda" "-DCMAKE_PREFIX_PATH=$prefix" -DCMAKE_CUDA_ARCHITECTURES=90
    ;;
esac
