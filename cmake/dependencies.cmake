# Every dependency comes from its ordinary package; tools/setup.sh lists them with their reasons.
find_package(Threads REQUIRED)
find_package(CURL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(pugixml REQUIRED)
if(VARVE_TESTS)
  find_package(GTest REQUIRED)
endif()

# Static, so that the Python extension can hide them: another copy in the process is never ours.
find_library(ZSTD_STATIC libzstd.a REQUIRED)
find_library(CRYPTO_STATIC libcrypto.a REQUIRED)
find_path(BLAKE3_INCLUDE llvm-c/blake3.h PATHS /usr/lib/llvm-16/include REQUIRED)
find_library(BLAKE3_STATIC libLLVMSupport.a PATHS /usr/lib/llvm-16/lib REQUIRED)

add_library(varve_zstd INTERFACE)
target_link_libraries(varve_zstd INTERFACE ${ZSTD_STATIC})
add_library(varve_crypto INTERFACE)
target_link_libraries(varve_crypto INTERFACE ${CRYPTO_STATIC} Threads::Threads ${CMAKE_DL_LIBS})
add_library(varve_blake3 INTERFACE)
target_include_directories(varve_blake3 SYSTEM INTERFACE ${BLAKE3_INCLUDE})
target_link_libraries(varve_blake3 INTERFACE ${BLAKE3_STATIC})
