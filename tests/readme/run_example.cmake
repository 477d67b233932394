# Runs the example PROGRAM of README.md over two pickles made here in FOLDER:
# cmake -DPROGRAM=... -DFOLDER=... -P run_example.cmake
file(REMOVE_RECURSE "${FOLDER}")
# Protocol 0. The second would call posix.system("true").
file(WRITE "${FOLDER}/clean.pkl" "(lp0\nI1\na.")
execute_process(COMMAND "${PROGRAM}" "${FOLDER}" RESULT_VARIABLE code
                OUTPUT_VARIABLE output COMMAND_ECHO STDOUT)
message("${output}exit code ${code}")
if(NOT code EQUAL 0 OR NOT output MATCHES "clean.pkl: scanned, 0 findings")
  message(FATAL_ERROR "a harmless pickle: wanted 'scanned' and exit code 0")
endif()
file(WRITE "${FOLDER}/evil.pkl" "cposix\nsystem\n(S'true'\ntR.")
execute_process(COMMAND "${PROGRAM}" "${FOLDER}" RESULT_VARIABLE code
                OUTPUT_VARIABLE output COMMAND_ECHO STDOUT)
message("${output}exit code ${code}")
if(NOT code EQUAL 1 OR NOT output MATCHES "evil.pkl: scanned, [1-9]" OR
   NOT output MATCHES "critical")
  message(FATAL_ERROR "a pickle that runs a program: wanted it found, and 1")
endif()
