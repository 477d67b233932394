# Libraries from the system. Names of Debian packages: CONTRIBUTING.md.
find_package(Threads REQUIRED)
# Static where there is one, here and below: it spares every start a library
# load.
if(NOT DEFINED ZLIB_USE_STATIC_LIBS)
  find_library(SCANENGINE_STATIC_ZLIB NAMES libz.a)
  mark_as_advanced(SCANENGINE_STATIC_ZLIB)
  if(SCANENGINE_STATIC_ZLIB)
    set(ZLIB_USE_STATIC_LIBS ON)
    # A build tree may remember the shared one from before: a program that is
    # linked statically crashes at the first call into that.
    if(ZLIB_LIBRARY_RELEASE MATCHES "\\.so$")
      unset(ZLIB_LIBRARY_RELEASE CACHE)
    endif()
  endif()
endif()
find_package(ZLIB REQUIRED)
if(CMAKE_CROSSCOMPILING)
  include(ScanengineHeaderOnly)
else()
  # Config mode finds a 1.81 installed beside an older default.
  find_package(Boost 1.81 REQUIRED)
  find_package(fmt 9 REQUIRED)
  find_package(nlohmann_json 3.10 REQUIRED)
  find_package(CLI11 2.1 REQUIRED)
  find_package(cereal REQUIRED)
endif()

# Boost.Process and Boost.Asio, header-only as used here.
add_library(scanengine_boost INTERFACE)
target_include_directories(scanengine_boost SYSTEM INTERFACE
                           ${Boost_INCLUDE_DIRS})
target_compile_definitions(scanengine_boost INTERFACE
                           BOOST_PROCESS_USE_STD_FS
                           BOOST_ASIO_NO_DEPRECATED)
target_link_libraries(scanengine_boost INTERFACE Threads::Threads)
if(Boost_VERSION VERSION_GREATER_EQUAL 1.86)
  # Boost.Process is a compiled library from there on.
  find_package(Boost REQUIRED COMPONENTS process)
  target_link_libraries(scanengine_boost INTERFACE Boost::process)
endif()
if(WIN32)
  target_link_libraries(scanengine_boost INTERFACE ws2_32 mswsock bcrypt ntdll
                                                   shell32 user32)
endif()

if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  find_path(SCANENGINE_SECCOMP_INCLUDE seccomp.h REQUIRED)
  find_library(SCANENGINE_SECCOMP_LIBRARY NAMES libseccomp.a seccomp REQUIRED)
endif()
