# One static library per folder, its unit tests beside it: every *.cc of the folder, *_test.cc apart.
# varve_folder(NAME [DEPS folder...] [LIBS library...] [TEST_DEPS folder...])

add_library(varve_flags INTERFACE)
target_include_directories(varve_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_options(varve_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -Wswitch-enum -Wformat=2
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op>
  $<$<BOOL:${VARVE_WERROR}>:-Werror>
  -fstack-protector-strong -fno-omit-frame-pointer)
target_compile_definitions(varve_flags INTERFACE
  _GLIBCXX_ASSERTIONS VARVE_VERSION="${PROJECT_VERSION}"
  $<$<CONFIG:Release,RelWithDebInfo>:_FORTIFY_SOURCE=2>)
if(VARVE_SANITIZE)
  target_compile_options(varve_flags INTERFACE -fsanitize=${VARVE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(varve_flags INTERFACE -fsanitize=${VARVE_SANITIZE})
endif()

function(varve_folder name)
  cmake_parse_arguments(arg "" "" "DEPS;LIBS;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  set(deps)
  foreach(dep IN LISTS arg_DEPS)
    list(APPEND deps varve_${dep})
  endforeach()
  if(sources)
    add_library(varve_${name} STATIC ${sources})
    target_link_libraries(varve_${name} PUBLIC varve_flags ${deps} PRIVATE ${arg_LIBS})
  else()
    add_library(varve_${name} INTERFACE)
    target_link_libraries(varve_${name} INTERFACE varve_flags ${deps} ${arg_LIBS})
  endif()
  if(tests AND VARVE_TESTS)
    set(test_deps)
    foreach(dep IN LISTS arg_TEST_DEPS)
      list(APPEND test_deps varve_${dep})
    endforeach()
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE varve_${name} ${test_deps} ${arg_LIBS} GTest::gtest GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 1800)
  endif()
endfunction()
target_include_directories(varve_flags INTERFACE ${PROJECT_BINARY_DIR}/generated)
